import { describe, expect, it } from 'vitest';
import { parseLabelSelector } from './label-selector.ts';

const labels = { app: 'web', tier: '3', 'kubevirt.io/created-by': 'abc', empty: '' };

describe('label selectors', () => {
  it.each([
    '',
    '  ',
    'app',
    'app=web',
    'app==web',
    'app = web , tier',
    'app!=db',
    'absent!=x',
    '!absent',
    'app in (db, web)',
    'app in (web)',
    'app notin (db)',
    'absent notin (a,b)',
    'kubevirt.io/created-by=abc',
    'tier>2,tier<4',
    'empty=',
    'empty in ()',
    'empty in (a,)',
    'in notin (x)',
  ])('%j matches', (text) => expect(parseLabelSelector(text)(labels)).toBe(true));

  it.each([
    'absent',
    'app=db',
    'app!=web',
    '!app',
    'app in (db)',
    'app notin (web)',
    'tier>3',
    'app>1',
    'app,absent',
    'absent=',
    'absent in ()',
  ])('%j does not match', (text) => expect(parseLabelSelector(text)(labels)).toBe(false));

  it('treats an object without labels as having none', () => {
    expect(parseLabelSelector('!app')(undefined)).toBe(true);
    expect(parseLabelSelector('app')(undefined)).toBe(false);
  });

  it.each([
    '=',
    'a,',
    ',a',
    'a b',
    'a in',
    'a in (b',
    'a in b',
    'a=b=c',
    '!a=b',
    'a>x',
    'a>',
    '-a',
    'x/y/z=1',
    'A.b/c/=1',
    'a=-x',
    'UP/x=1',
    'a ((b))',
  ])('refuses %j', (text) =>
    expect(() => parseLabelSelector(text)).toThrow(expect.objectContaining({ code: 'SELECTOR_INVALID' })),
  );
});
