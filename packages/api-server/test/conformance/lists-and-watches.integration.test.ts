import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import type { OpenWatch } from '../support/cluster.ts';
import { Client, expectStatus } from '../support/conformance.ts';
import { C, configMap, fixtures, W } from '../support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

const names = (items: { metadata: { name: string } }[]): string[] => items.map((item) => item.metadata.name);
const types = (watch: OpenWatch): string[] => watch.lines.map((line) => line.type);
const versions = (watch: OpenWatch): number[] =>
  watch.lines.map((line) => Number(line.object.metadata.resourceVersion));

async function namespaceOf(name: string): Promise<string> {
  await client.post('/api/v1/namespaces', { metadata: { name } });
  return `/api/v1/namespaces/${name}/secrets`;
}

it('59. pages through one snapshot', async () => {
  const secrets = await namespaceOf('n59');
  for (const name of ['a', 'b', 'c', 'd', 'e']) await client.post(secrets, { metadata: { name } });
  const first = (await client.get(`${secrets}?limit=2`)).body;
  expect(first.metadata.remainingItemCount).toBe(3);
  await client.post(secrets, { metadata: { name: 'bb' } });
  const seen = names(first.items);
  for (let next = first.metadata.continue; next !== undefined;) {
    const page = (await client.get(`${secrets}?limit=2&continue=${encodeURIComponent(next)}`)).body;
    expect(page.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    seen.push(...names(page.items));
    next = page.metadata.continue;
  }
  expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
});

it('60. checks continue tokens', async () => {
  const secrets = await namespaceOf('n60');
  for (const name of ['a', 'b']) await client.post(secrets, { metadata: { name } });
  const token = (await client.get(`${secrets}?limit=1`)).body.metadata.continue;
  expect((await client.get(`${secrets}?continue=bad`)).code).toBe(400);
  expect((await client.get(`${secrets}?continue=${encodeURIComponent(token)}&resourceVersion=1`)).code).toBe(400);
});

it('61. selects by labels', async () => {
  const secrets = await namespaceOf('n61');
  await client.post(secrets, { metadata: { name: 'x', labels: { a: '1' } } });
  await client.post(secrets, { metadata: { name: 'y', labels: { a: '2', b: '1' } } });
  await client.post(secrets, { metadata: { name: 'z', labels: { a: '3' } } });
  const list = (selector: string) => client.get(`${secrets}?labelSelector=${encodeURIComponent(selector)}`);
  expect(names((await list('a in (1,2),!b')).body.items)).toEqual(['x']);
  expectStatus(await list('a in'), 400, 'BadRequest');
});

it('62. selects by fields', async () => {
  const secrets = await namespaceOf('n62');
  for (const name of ['a', 'b']) await client.post(secrets, { metadata: { name } });
  expect(names((await client.get(`${secrets}?fieldSelector=metadata.name=b`)).body.items)).toEqual(['b']);
  expectStatus(await client.get(`${secrets}?fieldSelector=spec.nope=1`), 400, 'BadRequest');
});

it('63. refuses versions it cannot show', async () => {
  expectStatus(await client.get(`${C}?resourceVersionMatch=Exact`), 422, 'Invalid');
  expectStatus(await client.get(`${C}?resourceVersion=9999999999999999`), 504, 'Timeout');
});

it('64. lists nothing in unknown namespaces', async () => {
  const { code, body } = await client.get('/api/v1/namespaces/unknown/configmaps');
  expect(code).toBe(200);
  expect(body.items).toEqual([]);
});

it('65. watches from a list', async () => {
  const secrets = await namespaceOf('n65');
  const { resourceVersion } = (await client.get(secrets)).body.metadata;
  const watch = await cluster.watch(`${secrets}?watch=true&resourceVersion=${resourceVersion}`);
  await client.post(secrets, { metadata: { name: 'a' } });
  await client.merge(`${secrets}/a`, { data: { x: 'eA==' } });
  await client.delete(`${secrets}/a`);
  await watch.wait('deletion', (line) => line.type === 'DELETED');
  expect(types(watch)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
  const [added = 0, modified = 0, deleted = 0] = versions(watch);
  expect(added).toBeLessThan(modified);
  expect(modified).toBeLessThan(deleted);
  watch.close();
});

it('66. begins with what exists', async () => {
  const secrets = await namespaceOf('n66');
  await client.post(secrets, { metadata: { name: 'a' } });
  const watch = await cluster.watch(`${secrets}?watch=true`);
  await watch.wait('the first object', (line) => line.type === 'ADDED' && line.object.metadata.name === 'a');
  watch.close();
});

it('67. follows selections', async () => {
  const secrets = await namespaceOf('n67');
  await client.post(secrets, { metadata: { name: 'a', labels: { on: 'y' } } });
  const watch = await cluster.watch(`${secrets}?watch=true&labelSelector=on`);
  await watch.wait('first', () => watch.lines.length === 1);
  await client.merge(`${secrets}/a`, { metadata: { labels: { on: null } } });
  await client.merge(`${secrets}/a`, { metadata: { labels: { on: 'y' } } });
  await watch.wait('return', () => watch.lines.length === 3);
  expect(types(watch)).toEqual(['ADDED', 'DELETED', 'ADDED']);
  watch.close();
});

it('68. ends watches in time', async () => {
  const started = Date.now();
  const watch = await cluster.watch(`${C}?watch=true&timeoutSeconds=1`);
  await watch.ended;
  expect(watch.code).toBe(200);
  expect(Date.now() - started).toBeGreaterThan(900);
});

it('69. streams lists', async () => {
  const secrets = await namespaceOf('n69');
  for (const name of ['a', 'b']) await client.post(secrets, { metadata: { name } });
  const query = 'watch=true&sendInitialEvents=true&allowWatchBookmarks=true';
  const watch = await cluster.watch(`${secrets}?${query}&resourceVersionMatch=NotOlderThan`);
  const mark = await watch.wait('bookmark', (line) => line.type === 'BOOKMARK');
  expect(types(watch)).toEqual(['ADDED', 'ADDED', 'BOOKMARK']);
  expect(mark.object.metadata.annotations['k8s.io/initial-events-end']).toBe('true');
  watch.close();
  expectStatus(await client.get(`${secrets}?${query}`), 422, 'Invalid');
});

it('70. says that history is gone inside the stream', async () => {
  await client.post(C, configMap('w70'));
  for (const path of [W, C]) {
    const watch = await cluster.watch(`${path}?watch=true&resourceVersion=1`);
    await watch.ended;
    expect(watch.code).toBe(200);
    expect(watch.lines).toEqual([{ type: 'ERROR', object: expect.objectContaining({ code: 410, reason: 'Expired' }) }]);
  }
});
