import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client, expectCause, expectStatus } from '../support/conformance.ts';
import { C, configMap, fixtures, W, widget } from '../support/widgets.ts';

// Numbers are those of the conformance scenarios; see the README of this folder.
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
  readonly fieldsV1: object;
}

const entries = (object: { metadata: { managedFields?: Entry[] } }): Entry[] => object.metadata.managedFields ?? [];
const owners = (object: { metadata: { managedFields?: Entry[] } }): Record<string, object> =>
  Object.fromEntries(entries(object).map((one) => [`${one.manager}/${one.operation}`, one.fieldsV1]));
const items = (...list: object[]): object => widget('w56', { color: 'red', items: list });

describe('server-side apply', () => {
  it('51. needs a field manager', async () => {
    expectStatus(await client.patch(`${C}/a51`, 'apply-patch+yaml', configMap('a51')), 422, 'Invalid');
  });

  it('52. creates with one entry', async () => {
    const reply = await client.apply(`${C}/a52`, 'm1', configMap('a52', { a: '1' }));
    expect(reply.code).toBe(201);
    expect(entries(reply.body)).toEqual([
      {
        manager: 'm1',
        operation: 'Apply',
        apiVersion: 'v1',
        time: expect.stringMatching(/Z$/),
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { 'f:a': {} } },
      },
    ]);
  });

  it('53. changes nothing when repeated', async () => {
    for (const [path, body] of [
      [`${C}/a53`, configMap('a53', { a: '1' })],
      [`${W}/a53`, widget('a53', { color: 'red', items: [{ name: 'i', v: '1' }] })],
    ] as const) {
      const first = await client.apply(path, 'm1', body);
      const again = await client.apply(path, 'm1', body);
      expect(again.code).toBe(200);
      expect(again.body).toEqual(first.body);
    }
  });

  it('54. tells of conflicts, and takes over by force', async () => {
    await client.apply(`${C}/a54`, 'm1', configMap('a54', { a: '1', b: '1' }));
    const other = configMap('a54', { a: '2' });
    const refused = await client.apply(`${C}/a54`, 'm2', other);
    expectCause(refused, 409, 'FieldManagerConflict', '.data.a');
    expectStatus(refused, 409, 'Conflict');
    expect(refused.body.message).toBe('Apply failed with 1 conflict: conflict with "m1": .data.a');
    const forced = await client.apply(`${C}/a54`, 'm2', other, '&force=true');
    expect(forced).toMatchObject({ code: 200, body: { data: { a: '2', b: '1' } } });
    expect(owners(forced.body)).toEqual({
      'm1/Apply': { 'f:data': { 'f:b': {} } },
      'm2/Apply': { 'f:data': { 'f:a': {} } },
    });
  });

  it('55. removes what is applied no more', async () => {
    await client.apply(`${C}/a55`, 'm1', configMap('a55', { a: '1', b: '1' }));
    expect((await client.apply(`${C}/a55`, 'm1', configMap('a55', { b: '1' }))).body.data).toEqual({ b: '1' });
    await client.apply(`${W}/a55`, 'm1', widget('a55', { color: 'red', replicas: 5 }));
    const defaulted = await client.apply(`${W}/a55`, 'm1', widget('a55', { color: 'red' }));
    expect(defaulted.body.spec.replicas).toBe(1);
  });

  it('56. merges lists by key', async () => {
    await client.apply(`${W}/w56`, 'm1', items({ name: 'i1', v: '1' }));
    const both = await client.apply(`${W}/w56`, 'm2', items({ name: 'i2', v: '2' }));
    expect(both.body.spec.items).toEqual([
      { name: 'i1', v: '1' },
      { name: 'i2', v: '2' },
    ]);
    const conflict = await client.apply(`${W}/w56`, 'm2', items({ name: 'i1', v: '9' }));
    expectCause(conflict, 409, 'FieldManagerConflict', '.spec.items[name="i1"].v');
    expect((await client.apply(`${W}/w56`, 'm1', items())).body.spec.items).toEqual([{ name: 'i2', v: '2' }]);
  });

  it('57. takes no managers from the client', async () => {
    const body = configMap('a57', {}, { managedFields: [{ manager: 'x' }] });
    expectStatus(await client.apply(`${C}/a57`, 'm1', body), 400, 'BadRequest');
  });

  it('58. lets other writes take fields', async () => {
    await client.apply(`${C}/a58`, 'm1', configMap('a58', { a: '1' }));
    const merged = await client.merge(`${C}/a58?fieldManager=x`, { data: { a: '2' } });
    expect(owners(merged.body)).toEqual({ 'x/Update': { 'f:data': { 'f:a': {} } } });
    const refused = await client.apply(`${C}/a58`, 'm1', configMap('a58', { a: '3' }));
    expectCause(refused, 409, 'FieldManagerConflict', '.data.a');
    expect(refused.body.message).toContain('conflict with "x" using v1');
    const put = { ...merged.body, data: { a: '4' } };
    expect(Object.keys(owners((await client.put(`${C}/a58?fieldManager=y`, put)).body))).toEqual(['y/Update']);
  });
});

describe('beyond the numbered scenarios', () => {
  it('leaves objects untracked until they are applied', async () => {
    await client.post(C, configMap('late', { a: '1' }));
    const merged = await client.merge(`${C}/late`, { data: { b: '1' } });
    expect(merged.body.metadata.managedFields).toBeUndefined();
    expectStatus(await client.apply(`${C}/late`, 'm1', configMap('late', { a: '2' })), 409, 'Conflict');
    const applied = await client.apply(`${C}/late`, 'm1', configMap('late', { a: '2' }), '&force=true');
    expect(Object.keys(owners(applied.body))).toEqual(['m1/Apply', 'before-first-apply/Update']);
  });

  it('keeps one entry per writer, however often it writes', async () => {
    await client.apply(`${C}/often`, 'm1', configMap('often', { a: '1' }));
    for (const n of [1, 2, 3]) await client.merge(`${C}/often?fieldManager=x`, { data: { [`k${n}`]: '1' } });
    const { body } = await client.get(`${C}/often`);
    expect(owners(body)).toEqual({
      'm1/Apply': { 'f:data': { 'f:a': {} } },
      'x/Update': { 'f:data': { 'f:k1': {}, 'f:k2': {}, 'f:k3': {} } },
    });
    const same = await client.merge(`${C}/often?fieldManager=y`, { data: { k1: '1' } });
    expect(same.body).toEqual(body);
  });

  it('can be reset and migrated by the client', async () => {
    const path = `${C}/migrated`;
    const { body } = await client.apply(path, 'm1', configMap('migrated', { a: '1' }));
    const [entry] = body.metadata.managedFields;
    const replace = (value: unknown): Promise<{ body: { metadata: { managedFields?: Entry[] } } }> =>
      client.patch(path, 'json-patch+json', [{ op: 'replace', path: '/metadata/managedFields', value }]);
    expect(Object.keys(owners((await replace([{ ...entry, manager: 'm9' }])).body))).toEqual(['m9/Apply']);
    expect((await replace([{}])).body.metadata.managedFields).toBeUndefined();
  });

  it('applies status apart from the rest', async () => {
    await client.apply(`${W}/st`, 'm1', { ...widget('st'), status: { replicas: 9 } });
    const status = { ...widget('st', { color: 'blue' }), status: { replicas: 3 } };
    const reply = await client.apply(`${W}/st/status`, 'm2', status);
    expect(reply.body).toMatchObject({ spec: { color: 'red' }, status: { replicas: 3 } });
    expect(entries(reply.body)).toEqual([
      expect.objectContaining({ manager: 'm1', fieldsV1: { 'f:spec': { 'f:color': {} } } }),
      expect.objectContaining({ manager: 'm2', subresource: 'status', fieldsV1: { 'f:status': { 'f:replicas': {} } } }),
    ]);
    expect((await client.apply(`${W}/none/status`, 'm2', { ...status, metadata: { name: 'none' } })).code).toBe(404);
  });

  it('refuses what it cannot merge', async () => {
    const apply = (body: unknown) => client.apply(`${W}/bad`, 'm1', body);
    expectStatus(await apply(widget('other')), 400, 'BadRequest');
    expectStatus(await apply({ ...widget('bad'), apiVersion: 'ex.io/v2' }), 400, 'BadRequest');
    expectStatus(await apply({ metadata: { name: 'bad' }, spec: { color: 'red' } }), 400, 'BadRequest');
    expectStatus(await apply(widget('bad', { color: 'red', nope: 1 })), 500);
    expectCause(await apply(widget('bad', { color: 'green' })), 422, 'FieldValueNotSupported', 'spec.color');
    expect((await client.get(`${W}/bad`)).code).toBe(404);
    const stale = widget('st', { color: 'red' }, { resourceVersion: '1' });
    expectStatus(await client.apply(`${W}/st`, 'm1', stale), 409, 'Conflict');
  });

  it('reads YAML, and stores nothing on a dry run', async () => {
    const raw = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  a: "1"\n';
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const path = `${C}/yaml?fieldManager=m1`;
    const dry = await cluster.call('PATCH', `${path}&dryRun=All`, { raw, headers });
    expect(dry).toMatchObject({ code: 201, body: { data: { a: '1' } } });
    expect((await client.get(`${C}/yaml`)).code).toBe(404);
    expect((await cluster.call('PATCH', path, { raw, headers })).body.data).toEqual({ a: '1' });
  });

  it('creates only for those who may', async () => {
    const alice = await cluster.ca.issue('CN=alice');
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'patch'] }];
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/t';
    await client.post(`${rbac}/roles`, { metadata: { name: 'patcher' }, rules });
    await client.post(`${rbac}/rolebindings`, {
      metadata: { name: 'patcher' },
      roleRef: { kind: 'Role', name: 'patcher' },
      subjects: [{ kind: 'User', name: 'alice' }],
    });
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const apply = (name: string) =>
      cluster.call('PATCH', `${C}/${name}?fieldManager=a&force=true`, { body: configMap(name), headers, as: alice });
    await client.post(C, configMap('there'));
    expect((await apply('there')).code).toBe(200);
    expectStatus(await apply('missing'), 403, 'Forbidden');
  });
});
