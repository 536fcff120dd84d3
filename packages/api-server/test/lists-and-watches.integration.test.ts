import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import type { WatchLine } from './support/cluster.ts';
import { C, configMap, fixtures, W, widget } from './support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);
const merge: TestCluster['merge'] = (...args) => cluster.merge(...args);
const names = (items: { metadata: { name: string } }[]) => items.map((item) => item.metadata.name);
const seen = (lines: readonly WatchLine[]) => lines.map((line) => `${line.type} ${line.object.metadata.name}`);

async function namespaceOf(name: string): Promise<string> {
  await call('POST', '/api/v1/namespaces', { body: { metadata: { name } } });
  return `/api/v1/namespaces/${name}/secrets`;
}

describe('lists', () => {
  it('pages through one snapshot', async () => {
    const secrets = await namespaceOf('paged');
    for (const name of ['a', 'b', 'c', 'd', 'e']) await call('POST', secrets, { body: { metadata: { name } } });
    const first = (await call('GET', `${secrets}?limit=2`)).body;
    expect(names(first.items)).toEqual(['a', 'b']);
    expect(first.metadata.remainingItemCount).toBe(3);
    await call('POST', secrets, { body: { metadata: { name: 'bb' } } });
    await call('DELETE', `${secrets}/d`);
    const second = (await call('GET', `${secrets}?limit=2&continue=${first.metadata.continue}`)).body;
    const third = (await call('GET', `${secrets}?limit=2&continue=${second.metadata.continue}`)).body;
    expect([...names(second.items), ...names(third.items)]).toEqual(['c', 'd', 'e']);
    expect(third.metadata).toEqual({ resourceVersion: first.metadata.resourceVersion });
    expect((await call('GET', `${secrets}?continue=%21`)).code).toBe(400);
    expect((await call('GET', `${secrets}?continue=${first.metadata.continue}&resourceVersion=5`)).code).toBe(400);
  });

  it('selects by labels and fields', async () => {
    const secrets = await namespaceOf('selected');
    for (const [name, labels] of [
      ['x', { a: '1' }],
      ['y', { a: '2', b: '1' }],
      ['z', { a: '3' }],
    ] as const) {
      await call('POST', secrets, { body: { metadata: { name, labels } } });
    }
    const list = async (query: string) => names((await call('GET', `${secrets}?${query}`)).body.items);
    expect(await list(`labelSelector=${encodeURIComponent('a in (1,2),!b')}`)).toEqual(['x']);
    expect(await list('fieldSelector=metadata.name=y')).toEqual(['y']);
    expect(await list('fieldSelector=type!=Opaque')).toEqual([]);
    expect((await call('GET', `${secrets}?labelSelector=a+in`)).code).toBe(400);
    expect((await call('GET', `${secrets}?fieldSelector=spec.x=1`)).code).toBe(400);
  });

  it('knows the rules of resourceVersion', async () => {
    const get = async (query: string) => await call('GET', `${C}?${query}`);
    const before = (await get('')).body.metadata.resourceVersion;
    await call('POST', C, { body: configMap('later') });
    expect(names((await get(`resourceVersion=${before}&resourceVersionMatch=Exact`)).body.items)).not.toContain(
      'later',
    );
    expect(names((await get(`resourceVersion=${before}`)).body.items)).toContain('later');
    expect(names((await get('resourceVersion=0')).body.items)).toContain('later');
    expect((await get('resourceVersionMatch=Exact')).code).toBe(422);
    expect((await get('resourceVersion=9999999999999999')).body).toMatchObject({ code: 504, reason: 'Timeout' });
    expect((await get('resourceVersion=x')).code).toBe(500);
    expect((await get('resourceVersion=1&resourceVersionMatch=Exact')).body).toMatchObject({
      code: 410,
      reason: 'Expired',
    });
    expect((await get('sendInitialEvents=true')).code).toBe(422);
    expect((await call('GET', '/api/v1/namespaces/unknown/configmaps')).body.items).toEqual([]);
  });

  it('gives items of custom lists their kind', async () => {
    await call('POST', W, { body: widget('kinds') });
    expect((await call('GET', W)).body).toMatchObject({
      kind: 'WidgetList',
      items: [{ kind: 'Widget', apiVersion: 'ex.io/v1' }],
    });
    expect((await call('GET', C)).body.items[0].kind).toBeUndefined();
  });
});

describe('watches', () => {
  it('continues a list', async () => {
    const secrets = await namespaceOf('watched');
    const { resourceVersion } = (await call('GET', secrets)).body.metadata;
    await call('POST', secrets, { body: { metadata: { name: 'a' } } });
    const watch = await cluster.watch(`${secrets}?watch=true&resourceVersion=${resourceVersion}`);
    await merge(`${secrets}/a`, { data: { x: 'eA==' } });
    await call('DELETE', `${secrets}/a`);
    await watch.wait('deletion', (line) => line.type === 'DELETED');
    expect(seen(watch.lines)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
    const versions = watch.lines.map((line) => Number(line.object.metadata.resourceVersion));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBe(3);
    expect(watch.lines[2]?.object).toMatchObject({ kind: 'Secret', apiVersion: 'v1', data: { x: 'eA==' } });
    watch.close();
  });

  it('sends headers before any event', async () => {
    const watch = await cluster.watch(`${await namespaceOf('quiet')}?watch=true`);
    expect(watch.code).toBe(200);
    watch.close();
  });

  it('begins with what is there when no revision is given', async () => {
    const secrets = await namespaceOf('initial');
    await call('POST', secrets, { body: { metadata: { name: 'a' } } });
    for (const query of ['watch=1', 'watch=true&resourceVersion=0']) {
      const watch = await cluster.watch(`${secrets}?${query}`);
      await watch.wait('initial object', (line) => line.type === 'ADDED' && line.object.metadata.name === 'a');
      watch.close();
    }
  });

  it('translates changes of selection', async () => {
    const secrets = await namespaceOf('selecting');
    const watch = await cluster.watch(`${secrets}?watch=true&labelSelector=on`);
    await call('POST', secrets, { body: { metadata: { name: 'a', labels: { on: 'y' } }, data: { old: '' } } });
    await merge(`${secrets}/a`, { metadata: { labels: { on: null } }, data: { old: null, new: '' } });
    await merge(`${secrets}/a`, { metadata: { labels: { on: 'y' } } });
    await watch.wait('return', () => watch.lines.length === 3);
    expect(seen(watch.lines)).toEqual(['ADDED a', 'DELETED a', 'ADDED a']);
    const [added, deleted, again] = watch.lines.map((line) => line.object);
    expect(deleted.data).toEqual({ old: '' });
    expect(Number(deleted.metadata.resourceVersion)).toBeGreaterThan(Number(added.metadata.resourceVersion));
    expect(Number(again.metadata.resourceVersion)).toBeGreaterThan(Number(deleted.metadata.resourceVersion));
    watch.close();
  });

  it('ends by itself in time', async () => {
    const watch = await cluster.watch(`${C}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true`);
    const started = Date.now();
    await watch.ended;
    expect(Date.now() - started).toBeLessThan(3000);
    expect(watch.lines.every((line) => line.type === 'ADDED')).toBe(true);
  });

  it('streams lists', async () => {
    const secrets = await namespaceOf('streamed');
    await call('POST', secrets, { body: { metadata: { name: 'a' } } });
    const query = 'watch=true&sendInitialEvents=true&allowWatchBookmarks=true';
    expect((await call('GET', `${secrets}?${query}`)).code).toBe(422);
    const watch = await cluster.watch(`${secrets}?${query}&resourceVersionMatch=NotOlderThan`);
    const mark = await watch.wait('bookmark', (line) => line.type === 'BOOKMARK');
    expect(mark.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
    await call('POST', secrets, { body: { metadata: { name: 'b' } } });
    const next = await watch.wait('next event', (line) => line.object.metadata.name === 'b');
    expect(Number(next.object.metadata.resourceVersion)).toBeGreaterThan(Number(mark.object.metadata.resourceVersion));
    watch.close();
  });

  it('says that a revision is too old inside the stream', async () => {
    for (const path of [W, C]) {
      const watch = await cluster.watch(`${path}?watch=true&resourceVersion=1`);
      await watch.ended;
      expect(watch.code).toBe(200);
      expect(watch.lines).toEqual([
        { type: 'ERROR', object: expect.objectContaining({ code: 410, reason: 'Expired' }) },
      ]);
    }
  });

  it('draws tables with columns once', async () => {
    const secrets = await namespaceOf('tabled');
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
    const watch = await cluster.watch(`${secrets}?watch=true`, { headers: { accept } });
    for (const name of ['a', 'b']) await call('POST', secrets, { body: { metadata: { name } } });
    await watch.wait('second row', () => watch.lines.length === 2);
    const [first, second] = watch.lines.map((line) => line.object);
    expect(first).toMatchObject({
      kind: 'Table',
      columnDefinitions: [{ name: 'Name' }, {}, {}, {}],
      rows: [{ cells: ['a', 'Opaque', 0, expect.any(String)] }],
    });
    expect(second.columnDefinitions).toBeNull();
    expect(second.metadata.resourceVersion).toBe(second.rows[0].object.metadata.resourceVersion);
    watch.close();
  });

  it('reads as a get when a name is given', async () => {
    await call('POST', C, { body: configMap('single') });
    expect((await call('GET', `${C}/single?watch=1`)).body.kind).toBe('ConfigMap');
  });

  it('cuts off a client that does not read, and nobody else', async () => {
    const secrets = await namespaceOf('flood');
    const { promise: first, resolve } = Promise.withResolvers<IncomingMessage>();
    const { admin, ca, server } = cluster;
    const tls = { ca: ca.certPem, cert: admin.certPem, key: admin.keyPem, agent: false };
    const sent = request(`${server.url}${secrets}?watch=true`, tls, resolve).end();
    const stalled = await first;
    const closed = new Promise<void>((done) => stalled.once('error', () => done()).once('close', done));
    const awake = await cluster.watch(`${secrets}?watch=true`);
    await call('POST', secrets, { body: { metadata: { name: 'big' } } });
    const text = 'x'.repeat(700_000);
    for (let i = 0; i < 45; i++) await merge(`${secrets}/big`, { stringData: { text: `${text}${i}` } });
    await merge(`${secrets}/big`, { metadata: { labels: { last: 'yes' } } });
    await awake.wait('last event', (line) => line.object.metadata.labels?.last === 'yes');
    expect(awake.lines).toHaveLength(47);
    stalled.resume();
    await closed;
    awake.close();
    sent.destroy();
  });

  it('sends answers of any size over both protocols', async () => {
    const secrets = await namespaceOf('large');
    const data = { blob: 'QUFB'.repeat(50_000) };
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => call('POST', secrets, { body: { metadata: { name: `s${i}` }, data } })),
    );
    expect((await call('GET', secrets)).body.items).toHaveLength(40);
    const { out } = await cluster.kubectl(['get', 'secrets', '-n', 'large', '-o', 'json', '--chunk-size=0']);
    expect(JSON.parse(out).items).toHaveLength(40);
  });
});
