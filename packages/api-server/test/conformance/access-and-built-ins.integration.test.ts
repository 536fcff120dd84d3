import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client, expectStatus } from '../support/conformance.ts';
import { C, eventually, fixtures } from '../support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces/t';
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

async function allowConfigMaps(user: string, verbs: readonly string[]): Promise<void> {
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs }];
  await client.post(`${RBAC}/roles`, { metadata: { name: user }, rules });
  await client.post(`${RBAC}/rolebindings`, {
    metadata: { name: user },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: user },
    subjects: [{ kind: 'User', name: user }],
  });
}

it('90. authenticates and authorizes', async () => {
  const bad = await client.get(C, { as: 'nobody', headers: { authorization: 'Bearer nonsense' } });
  expectStatus(bad, 401, 'Unauthorized');
  const alice = await cluster.ca.issue('CN=alice');
  expectStatus(await client.get(`${C}/none`, { as: alice }), 403, 'Forbidden');
  await allowConfigMaps('alice', ['get', 'list']);
  expect((await client.get(C, { as: alice })).code).toBe(200);
  expectStatus(await client.get(`${C}?watch=true`, { as: alice }), 403, 'Forbidden');
});

it('91. reviews access truthfully', async () => {
  const bob = await cluster.ca.issue('CN=bob');
  await allowConfigMaps('bob', ['list']);
  for (const [verb, path] of [
    ['list', C],
    ['get', `${C}/kube-root-ca.crt`],
  ] as const) {
    const spec = { resourceAttributes: { namespace: 't', verb, resource: 'configmaps' } };
    const review = await client.post(REVIEWS, { spec }, { as: bob });
    expect(review.code).toBe(201);
    expect(review.body.status.allowed).toBe((await client.get(path, { as: bob })).code === 200);
  }
  expectStatus(await client.post(REVIEWS, { spec: {} }), 422, 'Invalid');
});

it('92. issues tokens', async () => {
  await client.post('/api/v1/namespaces/t/serviceaccounts', { metadata: { name: 'robot' } });
  const path = '/api/v1/namespaces/t/serviceaccounts/robot/token';
  const { body } = await client.post(path, { spec: {} });
  const headers = { authorization: `Bearer ${body.status.token}` };
  expect((await client.get('/apis', { as: 'nobody', headers })).code).toBe(200);
  expectStatus(await client.post(path, { spec: { expirationSeconds: 10 } }), 422, 'Invalid');
});

it.skip('93. admission webhooks: this server has in-process plug-ins instead', () => undefined);

it('94. folds stringData', async () => {
  const { body } = await client.post('/api/v1/namespaces/t/secrets', {
    metadata: { name: 's94' },
    stringData: { a: 'x' },
  });
  expect(body.data).toEqual({ a: 'eA==' });
  expect(body.stringData).toBeUndefined();
});

it('95. fills in claims', async () => {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await client.post('/apis/storage.k8s.io/v1/storageclasses', {
    metadata: { name: 'std', annotations },
    provisioner: 'x.io/p',
  });
  const claims = '/api/v1/namespaces/t/persistentvolumeclaims';
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } } };
  expect((await client.post(claims, { metadata: { name: 'c95' }, spec })).body).toMatchObject({
    spec: { volumeMode: 'Filesystem', storageClassName: 'std', resources: { requests: { storage: '1Gi' } } },
    status: { phase: 'Pending' },
  });
  expect((await client.delete(`${claims}/c95`)).body.metadata.finalizers).toEqual(['kubernetes.io/pvc-protection']);
  await eventually(cluster, `${claims}/c95`, 404);
});

it('96. shows events in both APIs', async () => {
  await client.post('/api/v1/namespaces/t/events', {
    metadata: { name: 'e96' },
    involvedObject: { kind: 'Pod', namespace: 't', name: 'p' },
    reason: 'Because',
    message: 'it was so',
    type: 'Normal',
  });
  const { body } = await client.get('/apis/events.k8s.io/v1/namespaces/t/events/e96');
  expect(body).toMatchObject({ regarding: { name: 'p' }, note: 'it was so' });
});

it('97. wants six digits of leases', async () => {
  const lease = (renewTime: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l97' },
    spec: { renewTime },
  });
  const leases = '/apis/coordination.k8s.io/v1/namespaces/t/leases';
  expectStatus(await client.post(leases, lease('2026-01-01T00:00:00Z')), 400, 'BadRequest');
  expect((await client.post(leases, lease('2026-01-01T00:00:00.000000Z'))).code).toBe(201);
});
