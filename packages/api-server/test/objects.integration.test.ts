import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { cause, status } from './support/expect.ts';
import { C, configMap, fixtures, W, widget } from './support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);
const patch: TestCluster['patch'] = (...args) => cluster.patch(...args);

describe('create', () => {
  it('fills in what belongs to the server', async () => {
    const reply = await call('POST', C, {
      body: configMap('c11', {}, { uid: 'mine', creationTimestamp: '2001-01-01T00:00:00Z' }),
    });
    expect(reply.code).toBe(201);
    const { metadata } = reply.body;
    expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(metadata.resourceVersion).toMatch(/^\d+$/);
    expect(metadata.creationTimestamp).toMatch(/^20[2-9]\d-.*\dZ$/);
    expect(metadata.creationTimestamp).not.toContain('2001');
    expect(metadata.namespace).toBe('t');
  });

  it('refuses a name that is taken', async () => {
    await call('POST', C, { body: configMap('c12') });
    const reply = await call('POST', C, { body: configMap('c12') });
    expect(reply.body).toEqual(status(409, 'AlreadyExists'));
    expect(reply.body.details).toEqual({ name: 'c12', kind: 'configmaps' });
  });

  it('needs no kind for built-ins, but the right one', async () => {
    expect((await call('POST', C, { body: { metadata: { name: 'c13' } } })).body).toMatchObject({
      kind: 'ConfigMap',
      apiVersion: 'v1',
    });
    expect(
      (await call('POST', C, { body: { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'x' } } })).body,
    ).toEqual(status(400, 'BadRequest'));
    expect((await call('POST', W, { body: { metadata: { name: 'x' }, spec: { color: 'red' } } })).code).toBe(400);
  });

  it('checks the namespace', async () => {
    const missing = await call('POST', '/api/v1/namespaces/nowhere/configmaps', { body: configMap('x') });
    expect(missing.body).toEqual(status(404, 'NotFound'));
    expect(missing.body.details.kind).toBe('namespaces');
    expect((await call('POST', C, { body: configMap('x', {}, { namespace: 'other' }) })).code).toBe(400);
    expect((await call('POST', '/api/v1/configmaps', { body: configMap('x') })).code).toBe(405);
  });

  it('checks names and labels', async () => {
    const unnamed = await call('POST', C, { body: { metadata: {} } });
    expect(unnamed.body).toEqual(status(422, 'Invalid'));
    expect(unnamed.body.details.causes).toEqual(cause('FieldValueRequired', 'metadata.name'));
    const bad = await call('POST', C, { body: configMap('Bad_Name') });
    expect(bad.body.details.causes).toEqual(cause('FieldValueInvalid', 'metadata.name'));
    const label = await call('POST', C, { body: configMap('x', {}, { labels: { 'a b': '-' } }) });
    expect(label.body.details.causes).toEqual(cause('FieldValueInvalid', 'metadata.labels'));
    const owner = await call('POST', C, {
      body: configMap('x', {}, { ownerReferences: [{ kind: 'Pod', name: 'a', apiVersion: 'v1' }] }),
    });
    expect(owner.code).toBeGreaterThanOrEqual(400);
  });

  it('makes names from prefixes', async () => {
    const make = async (generateName: string) =>
      (await call('POST', C, { body: { metadata: { generateName } } })).body.metadata.name;
    expect(await make('g-')).toMatch(/^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(await make('x'.repeat(70))).toHaveLength(63);
  });

  it('stores nothing on a dry run', async () => {
    const dry = await call('POST', `${C}?dryRun=All`, { body: configMap('c21') });
    expect(dry.code).toBe(201);
    expect(dry.body.metadata.resourceVersion).toBeUndefined();
    expect((await call('GET', `${C}/c21`)).code).toBe(404);
    expect((await call('POST', `${C}?dryRun=x`, { body: configMap('c21') })).body).toEqual(status(422, 'Invalid'));
  });

  it('treats unknown fields as asked', async () => {
    const body = { ...configMap('c23'), extra: 1 };
    expect((await call('POST', `${C}?fieldValidation=Strict`, { body })).body).toEqual(status(400, 'BadRequest'));
    const warned = await call('POST', C, { body });
    expect(warned).toMatchObject({ code: 201, headers: { warning: '299 - "unknown field \\"extra\\""' } });
    expect(warned.body.extra).toBeUndefined();
    const ignored = await call('POST', `${C}?fieldValidation=Ignore`, {
      body: { ...body, metadata: { name: 'c23b' } },
    });
    expect(ignored.headers.warning).toBeUndefined();
    expect((await call('POST', C, { body: configMap('c24', { a: 1 }) })).body).toEqual(status(400, 'BadRequest'));
  });

  it('reads and writes other encodings', async () => {
    const yaml = await call('POST', C, {
      raw: 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: c25}\ndata: {a: "1"}\n',
      headers: { 'content-type': 'application/yaml', accept: 'application/yaml' },
    });
    expect(yaml).toMatchObject({ code: 201, headers: { 'content-type': 'application/yaml' } });
    expect(yaml.text).toContain('name: c25');
    expect((await call('POST', C, { raw: 'a', headers: { 'content-type': 'text/csv' } })).body).toEqual(
      status(415, 'UnsupportedMediaType'),
    );
    expect((await call('GET', C, { headers: { accept: 'text/csv' } })).body).toEqual(status(406, 'NotAcceptable'));
    expect((await call('POST', C, { raw: JSON.stringify(configMap('c29')) })).code).toBe(201);
    expect((await call('POST', C, { raw: 'x'.repeat(3 * 1024 * 1024 + 1) })).body).toEqual(
      status(413, 'RequestEntityTooLarge'),
    );
    expect((await call('POST', C, { body: configMap('x', {}, { resourceVersion: '5' }) })).code).toBe(500);
  });
});

describe('get', () => {
  it('shows objects as wanted', async () => {
    await call('POST', C, { body: configMap('g30', { a: '1' }) });
    expect((await call('GET', `${C}/none`)).body.details).toEqual({ name: 'none', kind: 'configmaps' });
    const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
    const shown = await call('GET', `${C}/g30`, { headers: { accept: table } });
    expect(shown.headers['content-type']).toBe('application/json');
    expect(shown.body).toMatchObject({ kind: 'Table', columnDefinitions: [{ name: 'Name', format: 'name' }, {}, {}] });
    expect(shown.body.rows).toEqual([
      { cells: ['g30', 1, expect.any(String)], object: expect.objectContaining({ kind: 'PartialObjectMetadata' }) },
    ]);
    expect(
      (await call('GET', `${C}/g30?includeObject=None`, { headers: { accept: table } })).body.rows[0].object,
    ).toBeNull();
    expect((await call('GET', `${C}/g30?includeObject=Bogus`, { headers: { accept: table } })).code).toBe(400);
    const partial = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
    const { items } = (await call('GET', C, { headers: { accept: partial } })).body;
    expect(items.every((item: object) => !('data' in item) && 'metadata' in item)).toBe(true);
    expect((await call('GET', '/api/v1/configmaps/g30')).code).toBe(404);
  });

  it('refuses methods it does not know', async () => {
    for (const method of ['HEAD', 'OPTIONS', 'PUT']) expect((await call(method, C)).code).toBe(405);
    expect((await call('POST', `${C}/x`)).code).toBe(405);
  });
});

describe('update', () => {
  it('locks optimistically', async () => {
    const created = (await call('POST', C, { body: configMap('u35') })).body;
    const changed = await call('PUT', `${C}/u35`, { body: { ...created, data: { a: '1' } } });
    expect(changed.code).toBe(200);
    expect(Number(changed.body.metadata.resourceVersion)).toBeGreaterThan(Number(created.metadata.resourceVersion));
    expect((await call('PUT', `${C}/u35`, { body: { ...created, data: { a: '2' } } })).body).toEqual(
      status(409, 'Conflict'),
    );
    expect((await call('PUT', `${C}/u35`, { body: configMap('u35', { a: '3' }) })).code).toBe(200);
    expect((await call('PUT', `${C}/u35`, { body: configMap('other') })).code).toBe(400);
    expect((await call('PUT', `${C}/none`, { body: configMap('none') })).code).toBe(404);
    expect((await call('PUT', `${C}/u35`, { body: configMap('u35', {}, { uid: 'another' }) })).code).toBe(409);
  });

  it('wants a resourceVersion for custom objects', async () => {
    await call('POST', W, { body: widget('u38') });
    const reply = await call('PUT', `${W}/u38`, { body: widget('u38', { color: 'blue' }) });
    expect(reply.body.details.causes).toEqual(cause('FieldValueInvalid', 'metadata.resourceVersion'));
  });

  it('does nothing when nothing changes', async () => {
    const created = (await call('POST', C, { body: configMap('u39', { a: '1' }) })).body;
    const same = await call('PUT', `${C}/u39`, { body: created });
    expect(same).toMatchObject({
      code: 200,
      body: { metadata: { resourceVersion: created.metadata.resourceVersion } },
    });
    const patched = await patch(`${C}/u39`, 'merge-patch+json', { data: { a: '1' } });
    expect(patched.body.metadata.resourceVersion).toBe(created.metadata.resourceVersion);
  });

  it('creates leases by PUT and checks their times', async () => {
    const path = '/apis/coordination.k8s.io/v1/namespaces/t/leases/l41';
    const lease = (renewTime: string) => ({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'l41' },
      spec: { renewTime },
    });
    expect((await call('PUT', path, { body: lease('2026-01-01T00:00:00Z') })).code).toBe(400);
    expect((await call('PUT', path, { body: lease('2026-01-01T00:00:00.000000Z') })).code).toBe(201);
    expect((await call('PUT', path, { body: lease('2026-01-01T00:00:01.000000Z') })).code).toBe(422);
  });
});

describe('patch', () => {
  it('merges, and locks when asked to', async () => {
    const created = (await call('POST', C, { body: configMap('p43', { a: '1', b: '2' }) })).body;
    const merged = await patch(`${C}/p43`, 'merge-patch+json', { data: { a: null, c: '3' } });
    expect(merged.body.data).toEqual({ b: '2', c: '3' });
    const stale = { metadata: { resourceVersion: created.metadata.resourceVersion }, data: { d: '4' } };
    expect((await patch(`${C}/p43`, 'merge-patch+json', stale)).body).toEqual(status(409, 'Conflict'));
    expect((await patch(`${C}/p43`, 'merge-patch+json', { metadata: { name: 'other' } })).code).toBe(400);
    expect((await patch(`${C}/none`, 'merge-patch+json', {})).code).toBe(404);
    expect((await patch(`${C}/p43?force=true`, 'merge-patch+json', {})).code).toBe(422);
  });

  it('applies JSON patches', async () => {
    await call('POST', C, { body: configMap('p45', { a: '1' }, { annotations: { 'x.io/k': 'v' } }) });
    const ops = [
      { op: 'test', path: '/data/a', value: '1' },
      { op: 'replace', path: '/data/a', value: '2' },
      { op: 'add', path: '/metadata/annotations/x.io~1k', value: 'w' },
    ];
    const reply = await patch(`${C}/p45`, 'json-patch+json', ops);
    expect(reply.body).toMatchObject({ data: { a: '2' }, metadata: { annotations: { 'x.io/k': 'w' } } });
    expect((await patch(`${C}/p45`, 'json-patch+json', ops)).body).toEqual(status(422, 'Invalid'));
    expect((await patch(`${C}/p45`, 'json-patch+json', {})).code).toBe(400);
    expect((await patch(`${C}/p45`, 'json', {})).body).toEqual(status(415, 'UnsupportedMediaType'));
    expect((await patch(`${W}/p45`, 'strategic-merge-patch+json', {})).code).toBe(415);
  });

  it('merges strategically', async () => {
    const services = '/api/v1/namespaces/t/services';
    const port = (name: string, number: number) => ({ name, port: number });
    const service = { metadata: { name: 's48' }, spec: { ports: [port('a', 1), port('b', 2)] } };
    expect((await call('POST', services, { body: service })).code).toBe(201);
    const change = { spec: { ports: [port('c', 3), { port: 1, $patch: 'delete' }] } };
    const reply = await patch(`${services}/s48`, 'strategic-merge-patch+json', change);
    expect(reply.body.spec.ports.map((one: { port: number }) => one.port).toSorted()).toEqual([2, 3]);
  });

  it('loses no update to a race', async () => {
    await call('POST', C, { body: configMap('race') });
    const names = Array.from({ length: 30 }, (_, i) => `k${i}`);
    const replies = await Promise.all(
      names.map((name) => patch(`${C}/race`, 'merge-patch+json', { data: { [name]: '1' } })),
    );
    expect(replies.every((reply) => reply.code === 200)).toBe(true);
    expect(Object.keys((await call('GET', `${C}/race`)).body.data)).toHaveLength(30);
  });
});
