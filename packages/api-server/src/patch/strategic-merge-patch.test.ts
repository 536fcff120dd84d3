import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../schema/types.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const merged = (mergeKey: string, properties: Record<string, JsonSchema> = {}): JsonSchema => ({
  type: 'array',
  items: { type: 'object', properties },
  'x-kubernetes-patch-strategy': 'merge',
  'x-kubernetes-patch-merge-key': mergeKey,
});
const schema: JsonSchema = {
  type: 'object',
  properties: {
    containers: merged('name', { env: merged('name'), args: { type: 'array' } }),
    finalizers: { type: 'array', 'x-kubernetes-patch-strategy': 'merge' },
    args: { type: 'array' },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    strategy: { type: 'object', 'x-kubernetes-patch-strategy': 'retainKeys' },
    selector: { type: 'object', 'x-kubernetes-patch-strategy': 'replace' },
  },
};
const doc = {
  containers: [
    { name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] },
    { name: 'b', image: 'b:1', args: ['1', '2'] },
  ],
  finalizers: ['one', 'two'],
  args: ['x', 'y'],
  labels: { app: 'web', tier: 'front' },
  strategy: { type: 'Rolling', rolling: { max: 1 } },
  selector: { a: '1' },
};

describe('strategic merge patch', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['merges maps and deletes by null', { labels: { tier: null, new: 'x' } }, { labels: { app: 'web', new: 'x' } }],
    ['replaces lists without strategy', { args: ['z'] }, { args: ['z'] }],
    ['unites primitive lists', { finalizers: ['two', 'three'] }, { finalizers: ['one', 'two', 'three'] }],
    ['deletes from primitive lists', { '$deleteFromPrimitiveList/finalizers': ['one'] }, { finalizers: ['two'] }],
    [
      'deletes and adds in one go',
      {
        '$deleteFromPrimitiveList/finalizers': ['one'],
        finalizers: ['three'],
        '$setElementOrder/finalizers': ['three', 'two'],
      },
      { finalizers: ['three', 'two'] },
    ],
    [
      'merges list elements by key, deeply',
      { containers: [{ name: 'a', image: 'a:2', env: [{ name: 'Y', value: '2' }] }] },
      {
        containers: [
          {
            name: 'a',
            image: 'a:2',
            env: [
              { name: 'X', value: '1' },
              { name: 'Y', value: '2' },
            ],
          },
          doc.containers[1],
        ],
      },
    ],
    [
      'appends unknown elements without their nulls',
      { containers: [{ name: 'c', image: null, args: ['q'] }] },
      { containers: [...doc.containers, { name: 'c', args: ['q'] }] },
    ],
    ['deletes an element', { containers: [{ name: 'a', $patch: 'delete' }] }, { containers: [doc.containers[1]] }],
    ['replaces a list', { containers: [{ $patch: 'replace' }, { name: 'z' }] }, { containers: [{ name: 'z' }] }],
    [
      'replaces one element',
      { containers: [{ name: 'b', args: null }] },
      { containers: [doc.containers[0], { name: 'b', image: 'b:1' }] },
    ],
    ['replaces a map', { labels: { $patch: 'replace', only: 'me' } }, { labels: { only: 'me' } }],
    ['empties a map', { labels: { $patch: 'delete' } }, { labels: {} }],
    ['replaces maps whose strategy says so', { selector: { b: '2' } }, { selector: { b: '2' } }],
    ['retains keys', { strategy: { $retainKeys: ['type'], type: 'Recreate' } }, { strategy: { type: 'Recreate' } }],
    [
      'orders elements',
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      { containers: [doc.containers[1], doc.containers[0]] },
    ],
    [
      'orders new elements and keeps what only the server has',
      { '$setElementOrder/containers': [{ name: 'n' }, { name: 'b' }], containers: [{ name: 'n' }] },
      { containers: [{ name: 'n' }, doc.containers[0], doc.containers[1]] },
    ],
    ['fills absent fields, directives left out', { other: { $patch: 'merge', a: null, b: 1 } }, { other: { b: 1 } }],
    ['deletes a whole list', { finalizers: null }, { finalizers: undefined }],
  ])('%s', (_name, patch, expected) => {
    const before = structuredClone(doc);
    const result = applyStrategicMergePatch(doc, patch, schema);
    expect(result).toEqual({ ...doc, ...expected });
    expect(doc).toEqual(before);
  });

  it.each<[string, unknown, number]>([
    ['an unknown directive', { labels: { $patch: 'twist' } }, 500],
    ['an element without merge key', { containers: [{ image: 'x' }] }, 500],
    ['no object', [], 400],
  ])('refuses %s', (_name, patch, code) =>
    expect(() => applyStrategicMergePatch(doc, patch, schema)).toThrow(expect.objectContaining({ code })),
  );
});
