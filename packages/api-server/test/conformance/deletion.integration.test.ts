import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client, expectCause, expectStatus } from '../support/conformance.ts';
import { C, configMap, eventually, fixtures } from '../support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

interface Made {
  readonly metadata: { readonly name: string; readonly uid: string };
}

/** A ConfigMap, owned by another one if given. */
async function make(name: string, owner?: Made): Promise<Made> {
  const ownerReferences = owner
    ? [
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          name: owner.metadata.name,
          uid: owner.metadata.uid,
          blockOwnerDeletion: true,
        },
      ]
    : [];
  const reply = await client.post(C, configMap(name, {}, { ownerReferences }));
  expect(reply.code).toBe(201);
  return reply.body;
}

it('71. deletes', async () => {
  const { metadata } = await make('d71');
  expect(await client.delete(`${C}/d71`)).toMatchObject({
    code: 200,
    body: { kind: 'Status', status: 'Success', details: { name: 'd71', uid: metadata.uid } },
  });
  expectStatus(await client.delete(`${C}/d71`), 404, 'NotFound');
});

it('72. honours preconditions', async () => {
  await make('d72');
  expectStatus(await client.delete(`${C}/d72`, { preconditions: { uid: 'another' } }), 409, 'Conflict');
});

it('73. waits for finalizers', async () => {
  await client.post(C, configMap('d73', {}, { finalizers: ['x.io/f'] }));
  const watch = await cluster.watch(`${C}?watch=true&fieldSelector=metadata.name=d73`);
  const reply = await client.delete(`${C}/d73`);
  expect(reply).toMatchObject({ code: 200, body: { metadata: { deletionTimestamp: expect.any(String) } } });
  expectStatus(await client.merge(`${C}/d73`, { metadata: { finalizers: ['x.io/f', 'x.io/g'] } }), 422, 'Invalid');
  expect((await client.merge(`${C}/d73`, { metadata: { finalizers: null } })).code).toBe(200);
  expect((await client.get(`${C}/d73`)).code).toBe(404);
  await watch.wait('deletion', (line) => line.type === 'DELETED');
  watch.close();
});

it('74. deletes dependents first in the foreground', async () => {
  const owner = await make('fg-owner');
  await make('fg-leaf', owner);
  const watch = await cluster.watch(`${C}?watch=true`);
  const reply = await client.delete(`${C}/fg-owner`, { propagationPolicy: 'Foreground' });
  expect(reply.body.metadata.finalizers).toContain('foregroundDeletion');
  await watch.wait('end', (line) => line.type === 'DELETED' && line.object.metadata.name === 'fg-owner');
  const gone = watch.lines.filter((line) => line.type === 'DELETED').map((line) => line.object.metadata.name);
  expect(gone.filter((name: string) => name.startsWith('fg-'))).toEqual(['fg-leaf', 'fg-owner']);
  watch.close();
});

it('75. orphans dependents', async () => {
  const owner = await make('or-owner');
  await make('or-leaf', owner);
  await client.delete(`${C}/or-owner`, { propagationPolicy: 'Orphan' });
  await eventually(cluster, `${C}/or-owner`, 404);
  expect((await client.get(`${C}/or-leaf`)).body.metadata.ownerReferences).toBeUndefined();
});

it('76. deletes dependents afterwards in the background', async () => {
  const owner = await make('bg-owner');
  await make('bg-leaf', owner);
  const watch = await cluster.watch(`${C}?watch=true`);
  await client.delete(`${C}/bg-owner`, { propagationPolicy: 'Background' });
  await watch.wait('end', (line) => line.type === 'DELETED' && line.object.metadata.name === 'bg-leaf');
  const gone = watch.lines.filter((line) => line.type === 'DELETED').map((line) => line.object.metadata.name);
  expect(gone.filter((name: string) => name.startsWith('bg-'))).toEqual(['bg-owner', 'bg-leaf']);
  watch.close();
});

it('77. collects what refers to nobody', async () => {
  await make('d77', { metadata: { name: 'never', uid: '00000000-0000-0000-0000-000000000000' } });
  await eventually(cluster, `${C}/d77`, 404);
});

it('78. deletes collections', async () => {
  for (const name of ['x', 'y']) await client.post(C, configMap(`d78${name}`, {}, { labels: { d78: name } }));
  const { body } = await client.delete(`${C}?labelSelector=d78=x`);
  expect(body.items.map((item: Made) => item.metadata.name)).toEqual(['d78x']);
  expect((await client.get(`${C}/d78x`)).code).toBe(404);
  expect((await client.get(`${C}/d78y`)).code).toBe(200);
  expectStatus(await client.delete('/api/v1/configmaps'), 405, 'MethodNotAllowed');
});

it('79. empties and ends namespaces', async () => {
  await client.post('/api/v1/namespaces', { metadata: { name: 'n79' } });
  const inside = '/api/v1/namespaces/n79/configmaps';
  await client.post(inside, configMap('held', {}, { finalizers: ['x.io/f'] }));
  expect((await client.delete('/api/v1/namespaces/n79')).body.status.phase).toBe('Terminating');
  const refused = await client.post(inside, configMap('late'));
  expectStatus(refused, 403, 'Forbidden');
  expectCause(refused, 403, 'NamespaceTerminating', 'metadata.namespace');
  await client.merge(`${inside}/held`, { metadata: { finalizers: null } });
  await eventually(cluster, '/api/v1/namespaces/n79', 404);
  expectStatus(await client.delete('/api/v1/namespaces/default'), 403, 'Forbidden');
});
