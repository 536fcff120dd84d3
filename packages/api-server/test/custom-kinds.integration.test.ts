import type { KubeObject } from '@godwit/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { cause } from './support/expect.ts';
import { eventually, fixtures, W, widget, widgetCrd } from './support/widgets.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);
const merge: TestCluster['merge'] = (...args) => cluster.merge(...args);

function crd(plural: string, kind: string, schema: object = { type: 'object' }, group = 'more.io'): KubeObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
}

async function conditionsOf(name: string): Promise<Record<string, string>> {
  const { status } = (await call('GET', `${CRDS}/${name}`)).body;
  return Object.fromEntries(
    (status?.conditions ?? []).map((one: { type: string; status: string }) => [one.type, one.status]),
  );
}

async function settled(name: string): Promise<Record<string, string>> {
  for (;;) {
    const conditions = await conditionsOf(name);
    if (conditions['Established'] !== undefined) return conditions;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('definitions', () => {
  it('are established and served, then gone with their objects', async () => {
    const created = await call('POST', CRDS, { body: crd('things', 'Thing') });
    expect(created.body.spec).toMatchObject({
      names: { singular: 'thing', listKind: 'ThingList' },
      conversion: { strategy: 'None' },
    });
    expect(await settled('things.more.io')).toEqual({ NamesAccepted: 'True', Established: 'True' });
    const things = '/apis/more.io/v1/namespaces/t/things';
    expect(
      (
        await call('POST', things, {
          body: { apiVersion: 'more.io/v1', kind: 'Thing', metadata: { name: 'a', finalizers: ['x.io/f'] } },
        })
      ).code,
    ).toBe(201);
    const watch = await cluster.watch(`${things}?watch=true`);
    await call('DELETE', `${CRDS}/things.more.io`);
    await watch.wait('mark', (line) => line.object.metadata.deletionTimestamp !== undefined);
    expect((await call('GET', `${CRDS}/things.more.io`)).code).toBe(200);
    await merge(`${things}/a`, { metadata: { finalizers: null } });
    await eventually(cluster, `${CRDS}/things.more.io`, 404);
    await watch.ended;
    expect(await call('GET', things)).toMatchObject({ code: 404, body: undefined });
    expect((await call('GET', '/apis/more.io')).code).toBe(404);
  });

  it('must be well-formed', async () => {
    const refused = async (body: object): Promise<unknown> => {
      const reply = await call('POST', CRDS, { body });
      expect(reply.body).toMatchObject({ code: 422, reason: 'Invalid' });
      return reply.body.details.causes;
    };
    expect(await refused({ ...crd('foos', 'Foo'), metadata: { name: 'foos.x' } })).toEqual(
      cause('FieldValueInvalid', 'metadata.name'),
    );
    await refused(crd('foos', 'Foo', { type: 'object', properties: { spec: { properties: {} } } }));
    await refused(crd('foos', 'Foo', { type: 'object' }, 'foo.k8s.io'));
    const two = crd('foos', 'Foo');
    const spec = two['spec'] as { versions: object[] };
    await refused({
      ...two,
      spec: { ...spec, versions: spec.versions.map((version) => ({ ...version, storage: false })) },
    });
  });

  it('may not take names that are taken', async () => {
    await call('POST', CRDS, { body: crd('firsts', 'Same') });
    await settled('firsts.more.io');
    expect((await call('POST', CRDS, { body: crd('seconds', 'Same') })).code).toBe(201);
    expect(await settled('seconds.more.io')).toEqual({ NamesAccepted: 'False', Established: 'False' });
    expect((await call('GET', '/apis/more.io/v1/namespaces/t/seconds')).body).toMatchObject({
      code: 404,
      reason: 'NotFound',
    });
    await call('DELETE', `${CRDS}/firsts.more.io`);
    await eventually(cluster, '/apis/more.io/v1/namespaces/t/seconds', 200);
  });

  it('end watches when they change', async () => {
    await call('POST', CRDS, {
      body: crd('changings', 'Changing', { type: 'object', properties: { old: { type: 'string' } } }),
    });
    await settled('changings.more.io');
    const path = '/apis/more.io/v1/namespaces/t/changings';
    await call('POST', path, {
      body: { apiVersion: 'more.io/v1', kind: 'Changing', metadata: { name: 'a' }, old: 'x' },
    });
    const hash = (await call('GET', '/openapi/v3')).body.paths['apis/more.io/v1'];
    const watch = await cluster.watch(`${path}?watch=true`);
    const schema = { openAPIV3Schema: { type: 'object', properties: { neu: { type: 'string', default: 'y' } } } };
    const versions = [{ name: 'v1', served: true, storage: true, schema }];
    expect((await merge(`${CRDS}/changings.more.io`, { spec: { versions } })).body.metadata.generation).toBe(2);
    await watch.ended;
    const read = (await call('GET', `${path}/a`)).body;
    expect(read).toMatchObject({ neu: 'y' });
    expect(read.old).toBeUndefined();
    expect((await call('GET', '/openapi/v3')).body.paths['apis/more.io/v1']).not.toEqual(hash);
  });
});

describe('custom objects', () => {
  it('are pruned, defaulted and counted', async () => {
    const body = { ...widget('w81', { color: 'red', unknown: 1 }), status: { replicas: 5 } };
    const created = await call('POST', W, { body });
    expect(created.body).toMatchObject({ spec: { color: 'red', replicas: 1, max: 10 }, metadata: { generation: 1 } });
    expect(created.body.spec.unknown).toBeUndefined();
    expect(created.body.status).toBeUndefined();
    const generation = async (change: object, sub = '') =>
      (await merge(`${W}/w81${sub}`, change)).body.metadata.generation;
    expect(await generation({ metadata: { labels: { a: 'b' } } })).toBe(1);
    expect(await generation({ status: { replicas: 1 } }, '/status')).toBe(1);
    expect(await generation({ spec: { note: 'x' } })).toBe(2);
  });

  it('are validated', async () => {
    const causes = async (spec: object) => {
      const reply = await call('POST', W, { body: widget('bad', spec) });
      expect(reply.body).toMatchObject({ code: 422, details: { kind: 'Widget', group: 'ex.io' } });
      return reply.body.details.causes;
    };
    expect(await causes({ color: 'green' })).toEqual(cause('FieldValueNotSupported', 'spec.color'));
    expect(await causes({})).toEqual(cause('FieldValueRequired', 'spec.color'));
    expect(await causes({ color: 'red', tags: ['a', 'a'] })).toEqual(cause('FieldValueDuplicate', 'spec.tags[1]'));
    expect(await causes({ color: 'red', replicas: 'many' })).toEqual(cause('FieldValueTypeInvalid', 'spec.replicas'));
    expect(await causes({ color: 'red', replicas: -1 })).toEqual(cause('FieldValueInvalid', 'spec.replicas'));
  });

  it('keep spec and status apart', async () => {
    await call('POST', W, { body: widget('w85') });
    const reply = await merge(`${W}/w85/status`, {
      metadata: { labels: { a: 'b' } },
      spec: { color: 'blue' },
      status: { replicas: 3 },
    });
    expect(reply.body).toMatchObject({ spec: { color: 'red' }, status: { replicas: 3 } });
    expect(reply.body.metadata.labels).toBeUndefined();
    const main = await merge(`${W}/w85`, { spec: { color: 'blue' }, status: { replicas: 9 } });
    expect(main.body).toMatchObject({ spec: { color: 'blue' }, status: { replicas: 3 } });
  });

  it('scale', async () => {
    await call('POST', W, { body: widget('w86') });
    expect((await call('GET', `${W}/w86/scale`)).body).toMatchObject({
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      spec: { replicas: 1 },
    });
    expect((await merge(`${W}/w86/scale`, { spec: { replicas: 4 } })).body.spec.replicas).toBe(4);
    expect((await call('GET', `${W}/w86`)).body).toMatchObject({ spec: { replicas: 4 }, metadata: { generation: 2 } });
  });

  it('have their own columns', async () => {
    await call('POST', W, { body: widget('w87') });
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const table = (await call('GET', `${W}/w87`, { headers: { accept } })).body;
    expect(table.columnDefinitions.map((one: { name: string; priority: number }) => [one.name, one.priority])).toEqual([
      ['Name', 0],
      ['Color', 0],
      ['Note', 0],
      ['Max', 1],
    ]);
    expect(table.rows[0].cells).toEqual(['w87', 'red', null, 10]);
  });

  it('are read in every served version', async () => {
    const old = '/apis/ex.io/v1alpha1/namespaces/t/widgets';
    const body = { apiVersion: 'ex.io/v1alpha1', kind: 'Widget', metadata: { name: 'w88' }, spec: { color: 'red' } };
    const created = await call('POST', old, { body });
    expect(created.headers.warning).toContain('deprecated');
    expect(created.body.apiVersion).toBe('ex.io/v1alpha1');
    const modern = (await call('GET', `${W}/w88`)).body;
    expect(modern).toMatchObject({ apiVersion: 'ex.io/v1', spec: { color: 'red', replicas: 1 } });
    expect((await call('GET', '/apis/ex.io/v9/namespaces/t/widgets')).body).toBeUndefined();
    const changed = await call('PUT', `${W}/w88`, { body: { ...modern, spec: { ...modern.spec, color: 'blue' } } });
    expect(changed.body).toMatchObject({ apiVersion: 'ex.io/v1', spec: { color: 'blue' } });
  });
});

it('survives a restart with the same definitions, and takes their new spec', async () => {
  await call('POST', W, { body: widget('kept') });
  const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
  const role = (await call('GET', `${roles}/system:node`)).body;
  const own = { verbs: ['get'], apiGroups: ['ex.io'], resources: ['mine'] };
  await call('PUT', `${roles}/system:node`, { body: { ...role, rules: [own] } });
  const untouched = (await call('GET', `${roles}/kubevirt.io:edit`)).body.metadata.resourceVersion;
  const { resourceVersion } = (await call('GET', `${CRDS}/widgets.ex.io`)).body.metadata;
  const { createApiServer } = await import('../src/index.ts');
  const { newKeyPem } = await import('./support/pki.ts');
  const serving = await cluster.ca.issue('CN=kube-apiserver', true);
  const newer = structuredClone(widgetCrd);
  (newer['spec'] as { names: { shortNames: string[] } }).names.shortNames = ['wd', 'wds'];
  // Two servers on one store would not do in life; here the first one only stands by.
  await using second = await createApiServer({
    store: cluster.store,
    host: '127.0.0.1',
    port: 0,
    tls: { ...serving, clientCaPem: cluster.ca.certPem },
    serviceAccountKeyPem: await newKeyPem(),
    clusterCaPem: cluster.ca.certPem,
    bootstrap: [newer],
  });
  const resource = { group: 'ex.io', version: 'v1', plural: 'widgets', kind: 'Widget', namespaced: true };
  expect(second.reader.get(resource, 'kept', 't')).toMatchObject({ spec: { color: 'red' } });
  const updated = (await call('GET', `${CRDS}/widgets.ex.io`)).body;
  expect((await call('GET', `${roles}/system:node`)).body.rules).toEqual([own, ...role.rules]);
  expect((await call('GET', `${roles}/kubevirt.io:edit`)).body.metadata.resourceVersion).toBe(untouched);
  expect(updated.spec.names.shortNames).toEqual(['wd', 'wds']);
  expect(Number(updated.metadata.resourceVersion)).toBeGreaterThan(Number(resourceVersion));
});
