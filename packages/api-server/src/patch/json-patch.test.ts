import { describe, expect, it } from 'vitest';
import { PatchError } from './errors.ts';
import { applyJsonPatch } from './json-patch.ts';

const doc = { metadata: { annotations: { 'a/b': '1', 'x~y': '2' } }, list: [1, 2, 3], empty: null };

describe('JSON patch', () => {
  it.each([
    ['adds a member', [{ op: 'add', path: '/new', value: { a: 1 } }], { ...doc, new: { a: 1 } }],
    ['adds in front of an index', [{ op: 'add', path: '/list/1', value: 9 }], { ...doc, list: [1, 9, 2, 3] }],
    ['adds at the end', [{ op: 'add', path: '/list/-', value: 9 }], { ...doc, list: [1, 2, 3, 9] }],
    ['adds at the length', [{ op: 'add', path: '/list/3', value: 9 }], { ...doc, list: [1, 2, 3, 9] }],
    ['removes an element', [{ op: 'remove', path: '/list/0' }], { ...doc, list: [2, 3] }],
    ['replaces', [{ op: 'replace', path: '/list', value: null }], { ...doc, list: null }],
    ['replaces an absent member [SLM 6.4 #9]', [{ op: 'replace', path: '/fresh', value: 1 }], { ...doc, fresh: 1 }],
    ['replaces the root', [{ op: 'replace', path: '', value: 5 }], 5],
    ['copies', [{ op: 'copy', from: '/list/0', path: '/first' }], { ...doc, first: 1 }],
    ['moves inside a list', [{ op: 'move', from: '/list/0', path: '/list/2' }], { ...doc, list: [2, 3, 1] }],
    [
      'reads ~1 and ~0',
      [
        { op: 'test', path: '/metadata/annotations/a~1b', value: '1' },
        { op: 'remove', path: '/metadata/annotations/x~0y' },
      ],
      { ...doc, metadata: { annotations: { 'a/b': '1' } } },
    ],
    ['tests null against an absent member [SLM 6.4 #9]', [{ op: 'test', path: '/status/x', value: null }], doc],
    ['tests null against null', [{ op: 'test', path: '/empty', value: null }], doc],
    [
      'tests deep values without key order',
      [{ op: 'test', path: '/metadata', value: { annotations: { 'x~y': '2', 'a/b': '1' } } }],
      doc,
    ],
  ])('%s', (_name, ops, expected) => {
    const before = structuredClone(doc);
    expect(applyJsonPatch(doc, ops)).toEqual(expected);
    expect(doc).toEqual(before);
  });

  it.each([
    ['no array', {}, 400],
    ['no object inside', ['x'], 400],
    ['an unknown operation', [{ op: 'sub', path: '/a' }], 422],
    ['no path', [{ op: 'add', value: 1 }], 422],
    ['a path without slash', [{ op: 'add', path: 'a', value: 1 }], 422],
    ['no value', [{ op: 'add', path: '/a' }], 422],
    ['a failed test', [{ op: 'test', path: '/list/0', value: 2 }], 422],
    ['a test of an absent member', [{ op: 'test', path: '/nope', value: 2 }], 422],
    ['removing the absent', [{ op: 'remove', path: '/nope' }], 422],
    ['an absent parent', [{ op: 'add', path: '/nope/x', value: 1 }], 422],
    ['an index beyond the end', [{ op: 'add', path: '/list/4', value: 1 }], 422],
    ['replacing beyond the end', [{ op: 'replace', path: '/list/3', value: 1 }], 422],
    ['an index with a leading zero', [{ op: 'replace', path: '/list/01', value: 1 }], 422],
    ['moving into itself', [{ op: 'move', from: '/metadata', path: '/metadata/x' }], 422],
    ['moving the absent', [{ op: 'move', from: '/nope', path: '/x' }], 422],
    ['a prototype path', [{ op: 'add', path: '/__proto__/x', value: 1 }], 422],
  ])('refuses %s', (_name, ops, code) => {
    const attempt = (): unknown => applyJsonPatch(doc, ops);
    expect(attempt).toThrow(PatchError);
    expect(attempt).toThrow(expect.objectContaining({ code }));
  });

  it('keeps later operations away from earlier values', () => {
    const shared = { n: 1 };
    const ops = [
      { op: 'add', path: '/a', value: shared },
      { op: 'add', path: '/a/n', value: 2 },
    ];
    expect(applyJsonPatch({}, ops)).toEqual({ a: { n: 2 } });
    expect(shared).toEqual({ n: 1 });
  });
});
