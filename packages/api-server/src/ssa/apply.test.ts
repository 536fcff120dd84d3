import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtInSchema } from '../schema/builtin/kinds.ts';
import type { JsonSchema } from '../schema/types.ts';
import { applyServerSide } from './apply.ts';
import type { ApplyResult } from './apply.ts';
import { trackUpdate } from './update.ts';

type Obj = Record<string, unknown>;

const keyed: JsonSchema = {
  type: 'array',
  items: { type: 'object', properties: { name: { type: 'string' }, v: { type: 'string' }, w: { type: 'string' } } },
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['name'],
};
const schema: JsonSchema = {
  type: 'object',
  properties: {
    data: { type: 'object', additionalProperties: { type: 'string' } },
    items: keyed,
    tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
    plain: { type: 'array', items: { type: 'string' } },
    whole: { type: 'object', additionalProperties: { type: 'string' }, 'x-kubernetes-map-type': 'atomic' },
  },
};
const frame = { apiVersion: 'ex.io/v1', kind: 'W' };
const metadata = { name: 'x', uid: 'u', resourceVersion: '1', creationTimestamp: '2024-01-01T00:00:00Z' };

let nowMs = 0;
function apply(live: Obj | undefined, manager: string, fields: Obj, force = false, with_ = schema): ApplyResult {
  const applied = { ...frame, metadata: { name: 'x' }, ...fields };
  return applyServerSide({
    live,
    applied,
    schema: with_,
    manager,
    apiVersion: 'ex.io/v1',
    subresource: '',
    force,
    nowMs,
  });
}
/** The stored object after an apply that must succeed. */
function stored(live: Obj | undefined, manager: string, fields: Obj, force = false, with_ = schema): Obj {
  const result = apply(live, manager, fields, force, with_);
  if (result.kind === 'conflict') throw new Error(JSON.stringify(result.conflicts));
  const { object, managedFields } = result;
  return { ...object, metadata: { ...metadata, ...(object['metadata'] as Obj), managedFields } };
}
/** The stored object after an ordinary write. */
function written(live: Obj, manager: string, change: (object: Obj) => void): Obj {
  const after = structuredClone(live);
  change(after);
  const managedFields = trackUpdate({
    before: live,
    after,
    schema,
    manager,
    apiVersion: 'ex.io/v1',
    subresource: '',
    nowMs,
  });
  return { ...after, metadata: { ...(after['metadata'] as Obj), managedFields } };
}
const managers = (object: Obj): Record<string, unknown> =>
  Object.fromEntries(
    ((object['metadata'] as Obj)['managedFields'] as Obj[]).map((entry) => [
      `${String(entry['manager'])}/${String(entry['operation'])}`,
      entry['fieldsV1'],
    ]),
  );
const conflicts = (result: ApplyResult): string[] | undefined =>
  result.kind === 'conflict' ? result.conflicts.map((one) => `${one.field}: ${one.message}`) : undefined;

describe('server-side apply', () => {
  it('creates with one entry and owns no server-set metadata', () => {
    const object = stored(undefined, 'm1', { data: { a: '1' }, metadata: { name: 'x', labels: { l: '1' } } });
    expect(object).toMatchObject({ data: { a: '1' } });
    expect((object['metadata'] as Obj)['managedFields']).toEqual([
      {
        manager: 'm1',
        operation: 'Apply',
        apiVersion: 'ex.io/v1',
        time: '1970-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { 'f:a': {} }, 'f:metadata': { 'f:labels': { 'f:l': {} } } },
      },
    ]);
  });

  it('changes nothing when repeated, not even the time', () => {
    const first = stored(undefined, 'm1', { data: { a: '1' } });
    nowMs = 5_000_000;
    expect(stored(first, 'm1', { data: { a: '1' } })).toEqual(first);
    nowMs = 0;
  });

  it('tells of conflicts, and takes over by force', () => {
    const first = stored(undefined, 'm1', { data: { a: '1', b: '1' } });
    expect(conflicts(apply(first, 'm2', { data: { a: '2' } }))).toEqual(['.data.a: conflict with "m1"']);
    const forced = stored(first, 'm2', { data: { a: '2' } }, true);
    expect(forced['data']).toEqual({ a: '2', b: '1' });
    expect(managers(forced)).toEqual({
      'm1/Apply': { 'f:data': { 'f:b': {} } },
      'm2/Apply': { 'f:data': { 'f:a': {} } },
    });
  });

  it('shares fields of equal value, and removes them with their last owner', () => {
    const both = stored(stored(undefined, 'm1', { data: { a: '1' } }), 'm2', { data: { a: '1', b: '2' } });
    expect(Object.keys(managers(both))).toEqual(['m1/Apply', 'm2/Apply']);
    const one = stored(both, 'm1', {});
    expect(one['data']).toEqual({ a: '1', b: '2' });
    expect(Object.keys(managers(one))).toEqual(['m2/Apply']);
    expect(stored(one, 'm2', {})['data']).toBeUndefined();
  });

  it('merges keyed lists from two managers', () => {
    const one = stored(undefined, 'm1', { items: [{ name: 'i1', v: '1' }] });
    const both = stored(one, 'm2', {
      items: [
        { name: 'i2', v: '2' },
        { name: 'i1', w: 'w' },
      ],
    });
    expect(both['items']).toEqual([
      { name: 'i1', v: '1', w: 'w' },
      { name: 'i2', v: '2' },
    ]);
    expect(conflicts(apply(both, 'm2', { items: [{ name: 'i1', v: 'x' }] }))).toEqual([
      '.items[name="i1"].v: conflict with "m1"',
    ]);
    const less = stored(both, 'm1', { items: [] });
    expect(less['items']).toEqual([
      { name: 'i1', w: 'w' },
      { name: 'i2', v: '2' },
    ]);
    expect(stored(both, 'm2', {})['items']).toEqual([{ name: 'i1', v: '1' }]);
  });

  it('merges sets and replaces atomic lists and maps', () => {
    const one = stored(undefined, 'm1', { tags: ['a'], plain: ['a'], whole: { a: '1' } });
    const both = stored(one, 'm2', { tags: ['b'] });
    expect(both['tags']).toEqual(['a', 'b']);
    expect(conflicts(apply(both, 'm2', { plain: ['b'], whole: { b: '1' } }))).toEqual([
      '.plain: conflict with "m1"',
      '.whole: conflict with "m1"',
    ]);
    expect(stored(both, 'm2', { plain: ['b'], whole: { b: '1' } }, true)).toMatchObject({
      tags: ['a'],
      plain: ['b'],
      whole: { b: '1' },
    });
  });

  it('gives a field to whoever updated it last', () => {
    const applied = stored(undefined, 'm1', { data: { a: '1', b: '1' } });
    const updated = written(applied, 'x', (object) => (object['data'] = { a: '9', b: '1', c: '3' }));
    expect(managers(updated)).toEqual({
      'm1/Apply': { 'f:data': { 'f:b': {} } },
      'x/Update': { 'f:data': { 'f:a': {}, 'f:c': {} } },
    });
    expect(conflicts(apply(updated, 'm1', { data: { a: '1', b: '1' } }))).toEqual([
      '.data.a: conflict with "x" using ex.io/v1',
    ]);
    const removed = written(updated, 'y', (object) => delete object['data']);
    expect(managers(removed)).toEqual({});
  });

  it('leaves objects alone that nobody tracked, until the first apply', () => {
    const untracked = { ...frame, metadata, data: { a: '1' } };
    expect(
      (written(untracked, 'x', (object) => (object['data'] = { a: '2' }))['metadata'] as Obj)['managedFields'],
    ).toEqual([]);
    expect(conflicts(apply(untracked, 'm1', { data: { a: '2' } }))).toEqual([
      '.data.a: conflict with "before-first-apply" using ex.io/v1',
    ]);
    expect(Object.keys(managers(stored(untracked, 'm1', { data: { a: '1' } })))).toEqual([
      'm1/Apply',
      'before-first-apply/Update',
    ]);
  });

  it('tracks what a create sets', () => {
    const after = { ...frame, metadata: { ...metadata, labels: { l: '1' } }, data: { a: '1' } };
    const entries = trackUpdate({
      before: undefined,
      after,
      schema,
      manager: 'm',
      apiVersion: 'ex.io/v1',
      subresource: '',
      nowMs,
    });
    expect(entries.map((entry) => entry.fieldsV1)).toEqual([
      { 'f:data': { '.': {}, 'f:a': {} }, 'f:metadata': { 'f:labels': { '.': {}, 'f:l': {} } } },
    ]);
  });

  it('keys service ports by port and protocol, which may be left out', () => {
    const service = builtInSchema('', 'v1', 'Service')!;
    const one = stored(undefined, 'm1', { spec: { ports: [{ port: 80 }] } }, false, service);
    const defaulted = { ...one, spec: { ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }] } };
    expect(stored(defaulted, 'm1', { spec: { ports: [{ port: 80, name: 'a' }] } }, false, service)['spec']).toEqual({
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80, name: 'a' }],
    });
  });

  it.each<[string, Obj]>([
    ['unknown fields', { nope: 1 }],
    ['repeated keys', { items: [{ name: 'a' }, { name: 'a' }] }],
    ['repeated values of a set', { tags: ['a', 'a'] }],
  ])('refuses %s', (_name, fields) => {
    expect(() => apply(undefined, 'm', fields)).toThrow(expect.objectContaining({ code: 'APPLY_INVALID' }));
  });

  it('always ends with what was applied by force, and then repeats without change', () => {
    const maps = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2'));
    const lists = fc.uniqueArray(fc.record({ name: fc.constantFrom('i', 'j', 'k'), v: fc.constantFrom('1', '2') }), {
      selector: (item) => item.name,
    });
    const fields = fc.record({ data: maps, items: lists }, { requiredKeys: [] });
    const steps = fc.array(fc.tuple(fc.constantFrom('m1', 'm2', 'm3'), fields), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(steps, (all) => {
        let object: Obj | undefined;
        for (const [manager, wanted] of all) {
          object = stored(object, manager, wanted, true);
          if (wanted.data) expect(object['data']).toMatchObject(wanted.data);
          const items = (object['items'] ?? []) as Obj[];
          for (const item of wanted.items ?? []) expect(items).toContainEqual(item);
          expect(stored(object, manager, wanted)).toEqual(object);
        }
      }),
    );
  });
});
