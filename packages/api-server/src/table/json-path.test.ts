import { describe, expect, it } from 'vitest';
import { compileJsonPath } from './json-path.ts';

const doc = {
  a: { b: 1, 'x.y/z': 'dotted', nothing: null, flag: true },
  list: [10, 20, 30],
  conditions: [
    { type: 'Live', status: 'False', n: 1 },
    { type: 'Ready', status: 'True', n: 2, message: 'a)b' },
  ],
};

describe('restricted JSONPath', () => {
  it.each<[string, unknown[]]>([
    ['.a.b', [1]],
    ['.a.absent', []],
    ['.a.nothing', []],
    ['.a.b.c', []],
    ['.a.x\\.y/z', ['dotted']],
    [".a['x.y/z']", ['dotted']],
    ['.list[0]', [10]],
    ['.list[-1]', [30]],
    ['.list[9]', []],
    ['.list[1:]', [20, 30]],
    ['.list[*]', [10, 20, 30]],
    ['.list', [[10, 20, 30]]],
    ['.conditions[?(@.type=="Ready")].status', ['True']],
    [".conditions[?(@.type == 'Ready')].message", ['a)b']],
    ['.conditions[?(@.type!="Ready")].status', ['False']],
    ['.conditions[?(@.n>1)].type', ['Ready']],
    ['.conditions[?(@.message)].type', ['Ready']],
    ['.conditions[?(@.message=="a)b")].type', ['Ready']],
    ['.conditions[*].type', ['Live', 'Ready']],
  ])('%s', (path, matches) => expect(compileJsonPath(path)?.(doc)).toEqual(matches));
  it.each(['a', '.a[', '.a[?(@.b==)]', '..a', '.a[x]'])('cannot read %s', (path) =>
    expect(compileJsonPath(path)).toBeUndefined(),
  );
});
