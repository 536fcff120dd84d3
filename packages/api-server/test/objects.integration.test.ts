import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { names } from '@godwit/api';
import { TestCluster } from './support/cluster.ts';
import { C, configMap, fixtures, W, widget } from './support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);
const patch = (path: string, type: string, body: unknown) =>
  call('PATCH', path, { body, headers: { 'content-type': `application/${type}` } });
const status = (code: number, reason: string) =>
  expect.objectContaining({ kind: 'Status', status: 'Failure', code, reason });
const cause = (reason: string, field: string) => expect.arrayContaining([expect.objectContaining({ reason, field })]);

describe('information and discovery', () => {
  it('tells its version and health', async () => {
    expect((await call('GET', '/version')).body.gitVersion).toMatch(/^v1\.32/);
    for (const path of ['/healthz', '/livez', '/readyz', '/livez/ping']) {
      expect(await call('GET', path)).toMatchObject({ code: 200, text: 'ok' });
    }
    expect((await call('GET', '/')).body.paths).toContain('/apis/ex.io/v1');
  });

  it('answers unknown paths in plain text', async () => {
    for (const path of ['/nope', '/api/v2/pods', '/apis/none.io/v1/things', '/api/v1//pods']) {
      const reply = await call('GET', path);
      expect(reply).toMatchObject({ code: 404, body: undefined });
    }
    expect((await call('GET', '/api/v1/things')).body).toEqual(status(404, 'NotFound'));
  });

  it('lists groups and resources in the legacy form', async () => {
    expect((await call('GET', '/api')).body).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
    const groups = (await call('GET', '/apis')).body.groups.map((group: { name: string }) => group.name);
    expect(groups).toEqual(expect.arrayContaining(['apiextensions.k8s.io', 'ex.io', 'policy']));
    expect((await call('GET', '/apis/ex.io')).body.preferredVersion.version).toBe('v1');
    const resources = (await call('GET', '/apis/ex.io/v1')).body.resources;
    expect(resources).toEqual([
      expect.objectContaining({
        name: 'widgets',
        kind: 'Widget',
        shortNames: ['wd'],
        categories: ['all'],
        singularName: 'widget',
      }),
      expect.objectContaining({ name: 'widgets/status', kind: 'Widget' }),
      expect.objectContaining({ name: 'widgets/scale', kind: 'Scale', group: 'autoscaling', version: 'v1' }),
    ]);
  });

  it('lists them in the aggregated form, once per client', async () => {
    const accept = 'application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList,application/json';
    const first = await call('GET', '/apis', { headers: { accept } });
    expect(first.headers['content-type']).toContain('as=APIGroupDiscoveryList');
    expect(first.body.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toContain('ex.io');
    const etag = first.headers.etag ?? '';
    expect(await call('GET', '/apis', { headers: { accept, 'if-none-match': etag } })).toMatchObject({
      code: 304,
      text: '',
    });
    expect((await call('GET', '/apis', { headers: { accept: 'application/json' } })).body.kind).toBe('APIGroupList');
    const unknown = accept.replace('v=v2', 'v=v7').replace(',application/json', '');
    expect((await call('GET', '/apis', { headers: { accept: unknown } })).code).toBe(406);
  });

  it('publishes OpenAPI v3 by hash', async () => {
    const { serverRelativeURL } = (await call('GET', '/openapi/v3')).body.paths['apis/ex.io/v1'];
    const document = await call('GET', serverRelativeURL);
    expect(document.headers['cache-control']).toContain('immutable');
    const operations = Object.values(document.body.paths as Record<string, { patch?: Record<string, unknown> }>);
    const patches = operations.map((one) => one.patch).filter((one) => one !== undefined);
    const named = patches.find((one) => JSON.stringify(one['x-kubernetes-group-version-kind']).includes('Widget'));
    expect(JSON.stringify(named?.['parameters'])).toContain('fieldValidation');
    expect((await call('GET', `${serverRelativeURL}0`)).code).toBe(301);
  });
});

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

describe('built-in kinds', () => {
  it('folds stringData into data', async () => {
    const reply = await call('POST', '/api/v1/namespaces/t/secrets', {
      body: { metadata: { name: 's94' }, stringData: { a: 'x' } },
    });
    expect(reply.body).toMatchObject({ type: 'Opaque', data: { a: 'eA==' } });
    expect(reply.body.stringData).toBeUndefined();
  });

  it('shows events in both APIs', async () => {
    const event = {
      metadata: { name: 'e96' },
      involvedObject: { kind: 'Pod', namespace: 't', name: 'p' },
      reason: 'Because',
      message: 'it was so',
      type: 'Normal',
    };
    expect((await call('POST', '/api/v1/namespaces/t/events', { body: event })).code).toBe(201);
    const modern = (await call('GET', '/apis/events.k8s.io/v1/namespaces/t/events/e96')).body;
    expect(modern).toMatchObject({ apiVersion: 'events.k8s.io/v1', regarding: { name: 'p' }, note: 'it was so' });
    expect((await call('POST', '/api/v1/namespaces/default/events', { body: event })).code).toBe(422);
  });

  it('serves pods up to binding and eviction', async () => {
    const pods = '/api/v1/namespaces/t/pods';
    const pod = { metadata: { name: 'p1' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const created = (await call('POST', pods, { body: pod })).body;
    expect(created).toMatchObject({
      status: { phase: 'Pending', qosClass: 'BestEffort' },
      spec: { restartPolicy: 'Always', serviceAccountName: 'default' },
    });
    expect((await call('POST', `${pods}/p1/binding`, { body: { target: { kind: 'Node', name: 'n1' } } })).code).toBe(
      201,
    );
    expect((await call('POST', `${pods}/p1/binding`, { body: { target: { kind: 'Node', name: 'n2' } } })).code).toBe(
      409,
    );
    expect((await call('GET', `${pods}?fieldSelector=spec.nodeName=n1`)).body.items).toHaveLength(1);
    const moved = await patch(`${pods}/p1`, 'merge-patch+json', { spec: { nodeName: 'n2' } });
    expect(moved.code).toBe(422);
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p1' } };
    expect((await call('POST', `${pods}/p1/eviction`, { body: eviction })).code).toBe(201);
    const evicted = (await call('GET', `${pods}/p1`)).body;
    expect(evicted.metadata).toMatchObject({ deletionGracePeriodSeconds: 30, deletionTimestamp: expect.any(String) });
    expect((await call('DELETE', `${pods}/p1`, { body: { gracePeriodSeconds: 0 } })).body.status).toBe('Success');
    expect((await call('GET', `${pods}/p1`)).code).toBe(404);
  });

  it('says where the words of a guest are instead of serving logs of pods', async () => {
    const pods = '/api/v1/namespaces/t/pods';
    const spec = { containers: [{ name: 'compute', image: 'i' }] };
    const launcher = { name: 'launcher', annotations: { [names.domainAnnotation]: 'tour' } };
    for (const metadata of [launcher, { name: 'other' }])
      expect((await call('POST', pods, { body: { metadata, spec } })).code).toBe(201);
    const reply = await call('GET', `${pods}/launcher/log?container=compute&follow=true`);
    expect(reply.code).toBe(400);
    expect(reply.body.message).toContain('"godwit console tour -n t"');
    expect(reply.body.message).toContain('"godwit logs"');
    expect((await call('GET', `${pods}/other/log`)).body.message).toContain('nothing but virtual machines runs here');
    expect((await call('GET', `${pods}/nobody/log`)).code).toBe(404);
    expect((await call('PUT', `${pods}/launcher/log`, { body: {} })).code).toBe(405);
  });

  it('writes pod and node status through the subresource', async () => {
    await call('POST', '/api/v1/namespaces/t/pods', {
      body: { metadata: { name: 'p2' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    });
    const reply = await patch('/api/v1/namespaces/t/pods/p2/status', 'merge-patch+json', {
      metadata: { labels: { a: 'b' } },
      status: { phase: 'Running' },
    });
    expect(reply.body).toMatchObject({ status: { phase: 'Running' } });
    expect(reply.body.metadata.labels).toBeUndefined();
    const node = { metadata: { name: 'n1' }, status: { capacity: { memory: '1024Mi' } } };
    expect((await call('POST', '/api/v1/nodes', { body: node })).body.status.capacity.memory).toBe('1Gi');
  });
});
