import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { status } from './support/expect.ts';
import { fixtures } from './support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);

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
