import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { C, configMap, eventually, fixtures, W, widget } from './support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);
const merge: TestCluster['merge'] = (...args) => cluster.merge(...args);

interface Made {
  readonly metadata: { readonly name: string; readonly uid: string };
}

async function make(name: string, owners: readonly Made[] = [], metadata: object = {}): Promise<Made> {
  const ownerReferences = owners.map((owner) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    blockOwnerDeletion: true,
  }));
  const reply = await call('POST', C, {
    body: configMap(name, {}, { ...metadata, ...(owners.length > 0 ? { ownerReferences } : {}) }),
  });
  expect(reply.code).toBe(201);
  return reply.body;
}

describe('delete', () => {
  it('removes at once what has no finalizers', async () => {
    const { metadata } = await make('d71');
    const reply = await call('DELETE', `${C}/d71`, { raw: '', headers: { 'content-type': 'application/json' } });
    expect(reply.body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'd71', kind: 'configmaps', uid: metadata.uid },
    });
    expect((await call('DELETE', `${C}/d71`)).code).toBe(404);
  });

  it('honours preconditions and dry runs', async () => {
    await make('d72');
    expect((await call('DELETE', `${C}/d72`, { body: { preconditions: { uid: 'x' } } })).body).toMatchObject({
      code: 409,
      reason: 'Conflict',
    });
    expect((await call('DELETE', `${C}/d72`, { body: { preconditions: { resourceVersion: '1' } } })).code).toBe(409);
    expect((await call('DELETE', `${C}/d72?dryRun=All`)).body.status).toBe('Success');
    expect((await call('DELETE', `${C}/d72?propagationPolicy=Sideways`)).code).toBe(422);
    expect((await call('GET', `${C}/d72`)).code).toBe(200);
  });

  it('waits for finalizers', async () => {
    await make('d73', [], { finalizers: ['x.io/f'] });
    const watch = await cluster.watch(`${C}?watch=true&fieldSelector=metadata.name=d73`);
    const first = await call('DELETE', `${C}/d73`);
    expect(first.body).toMatchObject({
      kind: 'ConfigMap',
      metadata: { deletionTimestamp: expect.any(String), deletionGracePeriodSeconds: 0 },
    });
    const again = await call('DELETE', `${C}/d73`);
    expect(again.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
    expect((await call('POST', C, { body: configMap('d73') })).body).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
    });
    expect((await merge(`${C}/d73`, { metadata: { finalizers: ['x.io/f', 'x.io/g'] } })).code).toBe(422);
    const last = await merge(`${C}/d73`, { metadata: { finalizers: null } });
    expect(last.code).toBe(200);
    expect((await call('GET', `${C}/d73`)).code).toBe(404);
    const gone = await watch.wait('deletion', (line) => line.type === 'DELETED');
    expect(Number(gone.object.metadata.resourceVersion)).toBeGreaterThan(Number(last.body.metadata.resourceVersion));
    expect(watch.lines.map((line) => line.type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    watch.close();
  });

  it('waits for the finalizers of a pod that is deleted by force', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    const spec = { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] };
    await call('POST', pods, { body: { metadata: { name: 'forced', finalizers: ['x.io/f'] }, spec } });
    const first = await call('DELETE', `${pods}/forced`);
    expect(first.body.metadata.deletionGracePeriodSeconds).toBe(30);
    await call('DELETE', `${pods}/forced?gracePeriodSeconds=0`);
    const kept = await call('GET', `${pods}/forced`);
    expect(kept.body.metadata).toMatchObject({ deletionGracePeriodSeconds: 0, finalizers: ['x.io/f'] });
    await merge(`${pods}/forced`, { metadata: { finalizers: null } });
    expect((await call('GET', `${pods}/forced`)).code).toBe(404);
  });

  it('deletes collections', async () => {
    for (const name of ['x', 'y']) await make(`d78${name}`, [], { labels: { d78: name } });
    const reply = await call('DELETE', `${C}?labelSelector=d78=x`);
    expect(reply.body).toMatchObject({ kind: 'ConfigMapList', items: [{ metadata: { name: 'd78x' } }] });
    expect((await call('GET', `${C}/d78y`)).code).toBe(200);
    expect((await call('DELETE', '/api/v1/configmaps')).code).toBe(405);
    expect((await call('DELETE', '/api/v1/namespaces')).code).toBe(405);
  });
});

describe('garbage collection', () => {
  it('takes dependents after their owner', async () => {
    const owner = await make('bg-owner');
    const middle = await make('bg-middle', [owner]);
    await make('bg-leaf', [middle]);
    await call('DELETE', `${C}/bg-owner`, { body: { propagationPolicy: 'Background' } });
    await eventually(cluster, `${C}/bg-leaf`, 404);
    await eventually(cluster, `${C}/bg-middle`, 404);
  });

  it('takes dependents first in the foreground', async () => {
    const owner = await make('fg-owner');
    const dependent = await make('fg-middle', [owner]);
    await make('fg-leaf', [dependent], { finalizers: ['x.io/hold'] });
    const watch = await cluster.watch(`${C}?watch=true`);
    const reply = await call('DELETE', `${C}/fg-owner`, { body: { propagationPolicy: 'Foreground' } });
    expect(reply.body.metadata.finalizers).toEqual(['foregroundDeletion']);
    await watch.wait(
      'mark on the leaf',
      (line) => line.object.metadata.name === 'fg-leaf' && line.object.metadata.deletionTimestamp,
    );
    expect((await call('GET', `${C}/fg-owner`)).code).toBe(200);
    await merge(`${C}/fg-leaf`, { metadata: { finalizers: null } });
    await watch.wait('end', (line) => line.type === 'DELETED' && line.object.metadata.name === 'fg-owner');
    const order = watch.lines.filter((line) => line.type === 'DELETED').map((line) => line.object.metadata.name);
    expect(order.filter((name) => name.startsWith('fg-'))).toEqual(['fg-leaf', 'fg-middle', 'fg-owner']);
    watch.close();
  });

  it('orphans', async () => {
    const owner = await make('or-owner');
    await make('or-leaf', [owner]);
    await call('DELETE', `${C}/or-owner`, { body: { propagationPolicy: 'Orphan' } });
    await eventually(cluster, `${C}/or-owner`, 404);
    expect((await call('GET', `${C}/or-leaf`)).body.metadata.ownerReferences).toBeUndefined();
  });

  it('keeps what still has an owner and drops the other reference', async () => {
    const [one, two] = [await make('two-a'), await make('two-b')];
    await make('two-leaf', [one, two]);
    const watch = await cluster.watch(`${C}?watch=true&fieldSelector=metadata.name=two-leaf`);
    await call('DELETE', `${C}/two-a`);
    await watch.wait('change', (line) => line.object.metadata.ownerReferences?.length === 1);
    expect((await call('GET', `${C}/two-leaf`)).code).toBe(200);
    watch.close();
  });

  it('collects what refers to nobody', async () => {
    await make('dangling', [{ metadata: { name: 'never', uid: '00000000-0000-0000-0000-000000000000' } }]);
    await eventually(cluster, `${C}/dangling`, 404);
  });
});

describe('namespaces', () => {
  it('have default objects', async () => {
    await call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'fresh' } } });
    expect((await call('GET', '/api/v1/namespaces/fresh')).body).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'fresh' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
    await eventually(cluster, '/api/v1/namespaces/fresh/serviceaccounts/default', 200);
    await eventually(cluster, '/api/v1/namespaces/fresh/configmaps/kube-root-ca.crt', 200);
  });

  it('end when they are empty', async () => {
    await call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'ending' } } });
    const widgets = '/apis/ex.io/v1/namespaces/ending/widgets';
    await call('POST', widgets, { body: widget('w') });
    const held = '/api/v1/namespaces/ending/configmaps/held';
    await call('POST', '/api/v1/namespaces/ending/configmaps', {
      body: configMap('held', {}, { finalizers: ['x.io/hold'] }),
    });
    const reply = await call('DELETE', '/api/v1/namespaces/ending');
    expect(reply.body).toMatchObject({ kind: 'Namespace', status: { phase: 'Terminating' } });
    const refused = await call('POST', '/api/v1/namespaces/ending/configmaps', { body: configMap('new') });
    expect(refused.body).toMatchObject({ code: 403, reason: 'Forbidden' });
    expect(refused.body.details.causes[0].reason).toBe('NamespaceTerminating');
    await eventually(cluster, `${widgets}/w`, 404);
    expect((await call('GET', '/api/v1/namespaces/ending')).code).toBe(200);
    await merge(held, { metadata: { finalizers: null } });
    await eventually(cluster, '/api/v1/namespaces/ending', 404);
    expect((await call('DELETE', '/api/v1/namespaces/default')).body).toMatchObject({ code: 403, reason: 'Forbidden' });
  });
});

describe('claims', () => {
  it('are filled in, protected while used, and let go', async () => {
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    await call('POST', '/apis/storage.k8s.io/v1/storageclasses', {
      body: { metadata: { name: 'std', annotations }, provisioner: 'x.io/p' },
    });
    const claims = '/api/v1/namespaces/t/persistentvolumeclaims';
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } } };
    const claim = (await call('POST', claims, { body: { metadata: { name: 'pvc' }, spec } })).body;
    expect(claim).toMatchObject({
      metadata: { finalizers: ['kubernetes.io/pvc-protection'] },
      spec: { storageClassName: 'std', volumeMode: 'Filesystem', resources: { requests: { storage: '1Gi' } } },
      status: { phase: 'Pending' },
    });
    expect((await merge(`${claims}/pvc`, { spec: { resources: { requests: { storage: '512Mi' } } } })).code).toBe(422);
    expect((await merge(`${claims}/pvc`, { spec: { volumeName: 'pv-1' } })).code).toBe(200);
    expect((await merge(`${claims}/pvc`, { spec: { volumeName: 'pv-2' } })).code).toBe(422);

    const pods = '/api/v1/namespaces/t/pods';
    const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'pvc' } }];
    await call('POST', pods, {
      body: { metadata: { name: 'user' }, spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }], volumes } },
    });
    expect((await call('DELETE', `${claims}/pvc`)).body.metadata.deletionTimestamp).toBeDefined();
    // Proof that the loop has looked: another claim deleted later is gone.
    await call('POST', claims, { body: { metadata: { name: 'free' }, spec } });
    await call('DELETE', `${claims}/free`);
    await eventually(cluster, `${claims}/free`, 404);
    expect((await call('GET', `${claims}/pvc`)).code).toBe(200);
    await call('DELETE', `${pods}/user`, { body: { gracePeriodSeconds: 0 } });
    await eventually(cluster, `${claims}/pvc`, 404);
  });
});

it('counts deletion as a change of a custom object', async () => {
  await call('POST', W, { body: widget('gen', { color: 'red' }, { finalizers: ['x.io/f'] }) });
  expect((await call('DELETE', `${W}/gen`)).body.metadata.generation).toBe(2);
});
