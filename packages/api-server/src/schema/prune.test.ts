import { describe, expect, it } from 'vitest';
import { pruneAndDefault } from './prune.ts';
import type { JsonSchema } from './types.ts';

const schema: JsonSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        replicas: { type: 'integer', default: 1 },
        maybe: { type: 'string', nullable: true, default: 'x' },
        plain: { type: 'string' },
        nested: { type: 'object', default: {}, properties: { deep: { type: 'string', default: 'd' } } },
        open: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { known: { type: 'object', properties: {} } },
        },
        map: {
          type: 'object',
          additionalProperties: { type: 'object', properties: { v: { type: 'integer', default: 7 } } },
        },
        list: { type: 'array', items: { type: 'object', properties: { n: { type: 'integer', default: 3 } } } },
        port: { 'x-kubernetes-int-or-string': true },
        embedded: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
        anything: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
      },
    },
  },
};
const spec = (value: unknown): { spec: unknown; pruned: string[] } => {
  const { value: result, pruned } = pruneAndDefault(schema, { spec: value });
  return { spec: (result as { spec: unknown }).spec, pruned };
};
const defaults = { replicas: 1, maybe: 'x', nested: { deep: 'd' } };

describe('pruneAndDefault', () => {
  it('fills defaults where the parent exists, also inside defaults', () => {
    expect(spec({}).spec).toEqual(defaults);
    expect(pruneAndDefault(schema, {}).value).toEqual({});
    expect(spec({ replicas: 0, nested: {} }).spec).toEqual({ ...defaults, replicas: 0 });
    expect(spec({ map: { a: {} }, list: [{}] }).spec).toEqual({ ...defaults, map: { a: { v: 7 } }, list: [{ n: 3 }] });
  });
  it('treats null by nullability', () => {
    expect(spec({ replicas: null, maybe: null, plain: null }).spec).toEqual({ ...defaults, maybe: null });
  });
  it('prunes unknown fields and says where', () => {
    const { spec: value, pruned } = spec({ no: 1, list: [{ n: 1, no: 1 }], map: { k: { no: 1 } }, plain: 'p' });
    expect(value).toEqual({ ...defaults, plain: 'p', list: [{ n: 1 }], map: { k: { v: 7 } } });
    expect(pruned).toEqual(['spec.no', 'spec.list[0].no', 'spec.map.k.no']);
  });
  it('keeps everything below preserved fields except under known ones', () => {
    const { spec: value, pruned } = spec({ open: { free: { a: null, b: [{}] }, known: { gone: 1 } } });
    expect(value).toEqual({ ...defaults, open: { free: { a: null, b: [{}] }, known: {} } });
    expect(pruned).toEqual(['spec.open.known.gone']);
  });
  it('keeps the frame of whole objects and holds metadata to its own schema', () => {
    const object = { apiVersion: 'a/v1', kind: 'W', metadata: { name: 'n', labels: { l: '1' }, foo: 1 }, other: 1 };
    expect(pruneAndDefault(schema, object)).toEqual({
      value: { apiVersion: 'a/v1', kind: 'W', metadata: { name: 'n', labels: { l: '1' } } },
      pruned: ['metadata.foo', 'other'],
    });
    expect(pruneAndDefault(schema, object, { preserveRoot: false }).value).toEqual({});
    const { spec: value, pruned } = spec({ embedded: object, anything: { ...object, extra: [1] } });
    const kept = { apiVersion: 'a/v1', kind: 'W', metadata: { name: 'n', labels: { l: '1' } } };
    expect(value).toEqual({ ...defaults, embedded: kept, anything: { ...kept, other: 1, extra: [1] } });
    expect(pruned).toEqual(['spec.embedded.metadata.foo', 'spec.embedded.other', 'spec.anything.metadata.foo']);
  });
  it('leaves its arguments alone', () => {
    const input = { spec: { no: 1, nested: {} } };
    const before = structuredClone(input);
    const first = pruneAndDefault(schema, input).value as { spec: { nested: { deep: string } } };
    first.spec.nested.deep = 'changed';
    expect(input).toEqual(before);
    expect(spec({}).spec).toEqual(defaults);
  });
});
