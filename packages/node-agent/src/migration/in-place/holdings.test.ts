import { describe, expect, it } from 'vitest';
import { backing, move } from '../../../test/migration/failing-machine.ts';
import { endedWith, holdingsNow } from './holdings.ts';
import type { Holdings } from './holdings.ts';

describe('where the writes of a moving disk are', () => {
  it('is where the disk is', () => {
    const on = [backing('a', '/new/a'), backing('b', '/old/b')];
    expect(holdingsNow([move('a'), move('b')], on)).toEqual({ a: 'to', b: 'from' });
  });

  it.each<[Holdings, 'all' | string[]]>([
    [{ a: 'to', b: 'to' }, 'all'],
    [{ a: 'from', b: 'from' }, []],
    [{ a: 'to', b: 'from' }, ['a']],
  ])('%j ends on %j', (holdings, moved) => expect(endedWith(holdings)).toEqual({ moved }));
});
