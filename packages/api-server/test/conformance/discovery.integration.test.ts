import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client } from '../support/conformance.ts';
import { fixtures } from '../support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

const AGGREGATED = [
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList',
  'application/json',
].join(',');

it('1. tells its version', async () => {
  expect(await client.get('/version')).toMatchObject({
    code: 200,
    body: { gitVersion: expect.stringMatching(/^v1\./) },
  });
});

it('2. tells its health', async () => {
  for (const path of ['/healthz', '/livez', '/readyz']) {
    expect(await client.get(path)).toMatchObject({ code: 200, text: 'ok' });
  }
});

it('3. answers unknown paths without a Status', async () => {
  expect(await client.get('/nope')).toMatchObject({ code: 404, body: undefined });
});

it('4. lists the versions of the core group', async () => {
  const { body } = await client.get('/api');
  expect(body.kind).toBe('APIVersions');
  expect(body.versions).toContain('v1');
});

it('5. lists groups', async () => {
  const { body } = await client.get('/apis');
  expect(body.kind).toBe('APIGroupList');
  const names = body.groups.map((group: { name: string }) => group.name);
  expect(names).toEqual(expect.arrayContaining(['apiextensions.k8s.io', 'ex.io']));
});

it('6. lists the resources of a custom group', async () => {
  const { body } = await client.get('/apis/ex.io/v1');
  expect(body.kind).toBe('APIResourceList');
  expect(body.resources).toEqual([
    expect.objectContaining({ name: 'widgets', shortNames: ['wd'], kind: 'Widget' }),
    expect.objectContaining({ name: 'widgets/status' }),
    expect.objectContaining({ name: 'widgets/scale', group: 'autoscaling', version: 'v1', kind: 'Scale' }),
  ]);
});

it('7. lists everything at once, and once per client', async () => {
  for (const path of ['/api', '/apis']) {
    const first = await client.get(path, { headers: { accept: AGGREGATED } });
    expect(first.headers['content-type']).toContain('as=APIGroupDiscoveryList');
    const etag = first.headers.etag ?? '';
    expect(etag).toMatch(/^"/);
    const again = await client.get(path, { headers: { accept: AGGREGATED, 'if-none-match': etag } });
    expect(again).toMatchObject({ code: 304, text: '' });
  }
});

it('8. keeps to the legacy form unless asked', async () => {
  expect((await client.get('/apis', { headers: { accept: 'application/json' } })).body.kind).toBe('APIGroupList');
});

it('9. describes kinds by OpenAPI', async () => {
  const { paths } = (await client.get('/openapi/v3')).body;
  const url = paths['apis/ex.io/v1'].serverRelativeURL;
  const document = (await client.get(url)).body;
  const patches = Object.values(document.paths).flatMap((item) => {
    const { patch } = item as { patch?: { parameters: { name: string }[] } & Record<string, unknown> };
    return patch ? [patch] : [];
  });
  const gvk = { group: 'ex.io', version: 'v1', kind: 'Widget' };
  const widgets = patches.find((patch) => {
    const named = patch['x-kubernetes-group-version-kind'];
    return JSON.stringify(named) === JSON.stringify(gvk);
  });
  expect(widgets?.parameters.map((one) => one.name)).toContain('fieldValidation');
});

it('10. leads from a stale OpenAPI document to the current one', async () => {
  const reply = await client.get('/openapi/v3/apis/ex.io/v1?hash=00');
  expect(reply.code).toBe(301);
  expect((await client.get(reply.headers.location ?? '')).body.openapi).toMatch(/^3\./);
});
