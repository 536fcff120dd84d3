import { resources } from '@godwit/api';
import type { ConfigMap, Stored } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKubeClient } from '../src/client.ts';
import type { KubeClient, WatchEvent } from '../src/types.ts';
import { scriptedServer } from './scripted-server.ts';
import type { Exchange, ScriptedServer } from './scripted-server.ts';

let server: ScriptedServer;
let client: KubeClient;
beforeEach(async () => {
  server = await scriptedServer();
  client = createKubeClient({ server: server.url, caPem: '', token: 'secret' }, { userAgent: 'tester/1' });
});
afterEach(async () => {
  client.close();
  await server.kill();
});

const object = (name: string, resourceVersion: string, uid = `uid-${name}`) => ({
  metadata: { name, namespace: 'default', uid, resourceVersion },
});
const list = (resourceVersion: string, ...items: object[]) => ({ metadata: { resourceVersion }, items });

function follow() {
  const ending = new AbortController();
  const seen: string[] = [];
  client.watch<ConfigMap>(resources.configMaps, {
    signal: ending.signal,
    onEvent: ({ type, object: { metadata } }: WatchEvent<Stored<ConfigMap>>) =>
      seen.push(`${type} ${metadata.name}@${metadata.resourceVersion}`),
  });
  return { seen, stop: () => ending.abort() };
}

const until = (what: string, probe: () => boolean): Promise<true> =>
  waitFor(() => probe() || undefined, { timeoutMs: 10_000, intervalMs: 5, what });

/** A server with one collection: `state.list` is what a list answers, streams stay open in `state.streams`. */
function collection() {
  const state = { list: list('1'), streams: [] as Exchange[], lists: 0, from: [] as (string | null)[] };
  server.handle((exchange) => {
    if (exchange.url.searchParams.get('watch') !== 'true') {
      state.lists += 1;
      exchange.json(200, state.list);
      return;
    }
    state.from.push(exchange.url.searchParams.get('resourceVersion'));
    exchange.stream();
    state.streams.push(exchange);
  });
  return state;
}

describe('requests', () => {
  it('says who it is and speaks JSON', async () => {
    let seen: Exchange['headers'] = {};
    server.handle((exchange) => {
      seen = exchange.headers;
      exchange.json(200, object('a', '1'));
    });
    await client.get(resources.configMaps, 'a', 'default');
    expect(seen).toMatchObject({
      authorization: 'Bearer secret',
      'user-agent': 'tester/1',
      accept: 'application/json',
    });
  });

  it('turns refusals into errors that say whether to come back', async () => {
    server.handle(({ json }) =>
      json(429, { kind: 'Status', reason: 'TooManyRequests', message: 'slow down' }, { 'retry-after': '3' }),
    );
    await expect(client.get(resources.configMaps, 'a', 'default')).rejects.toMatchObject({
      code: 'KUBE_API',
      details: { status: 429, reason: 'TooManyRequests' },
      retry: { afterMs: 3000 },
    });
    server.handle(({ json }) => json(400, { kind: 'Status', reason: 'BadRequest' }));
    await expect(client.get(resources.configMaps, 'a', 'default')).rejects.toMatchObject({ retry: 'never' });
  });

  it('reads lists page by page, and types their items', async () => {
    server.handle(({ json, url }) => {
      const next = url.searchParams.get('continue');
      if (next === null) json(200, { metadata: { resourceVersion: '5', continue: 'more' }, items: [object('a', '1')] });
      else json(200, list('5', object('b', '2')));
    });
    const { items, resourceVersion } = await client.list(resources.configMaps);
    expect(items.map((item) => `${item.kind} ${item.metadata.name}`)).toEqual(['ConfigMap a', 'ConfigMap b']);
    expect(resourceVersion).toBe('5');
  });

  it('reads again over a connection that died while it was idle, but does not write again', async () => {
    let writes = 0;
    server.handle(({ json, method, reply }) => {
      if (method === 'GET') return json(200, object('a', '1'));
      writes += 1;
      return void reply.socket?.resetAndDestroy();
    });
    await client.get(resources.configMaps, 'a', 'default');
    await server.kill();
    await server.revive();
    await expect(client.get(resources.configMaps, 'a', 'default')).resolves.toBeDefined();
    const write = client.create<ConfigMap>(resources.configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace: 'default' },
    });
    await expect(write).rejects.toMatchObject({ code: 'KUBE_UNREACHABLE', retry: 'backoff' });
    expect(writes).toBe(1);
  });

  it('is unreachable while nobody listens, and after it was closed', async () => {
    await server.kill();
    await expect(client.list(resources.configMaps)).rejects.toMatchObject({ code: 'KUBE_UNREACHABLE' });
    client.close();
    await expect(client.list(resources.configMaps)).rejects.toMatchObject({ code: 'KUBE_UNREACHABLE' });
    await server.revive();
  });

  it('keeps few connections open and reuses them', async () => {
    server.handle(({ json }) => json(200, object('a', '1')));
    await Promise.all(Array.from({ length: 100 }, () => client.get(resources.configMaps, 'a', 'default')));
    expect(server.connections()).toBeLessThanOrEqual(12);
  });
});

describe('watches', () => {
  it('lists, then follows; goes on from the last version when the server closes the stream', async () => {
    const state = collection();
    state.list = list('7', object('a', '3'));
    const { seen, stop } = follow();
    await until('the first stream', () => state.streams.length === 1);
    state.streams[0]?.event('ADDED', object('b', '8'));
    state.streams[0]?.event('BOOKMARK', { metadata: { resourceVersion: '20' } });
    await until('two events', () => seen.length === 2);
    state.streams[0]?.reply.end();
    await until('the second stream', () => state.streams.length === 2);
    state.streams[1]?.event('DELETED', object('a', '21'));
    await until('the deletion', () => seen.length === 3);
    expect(seen).toEqual(['ADDED a@3', 'ADDED b@8', 'DELETED a@21']);
    expect(state.from).toEqual(['7', '20']);
    expect(state.lists).toBe(1);
    stop();
  });

  it('survives kill -9 of the server and misses nothing', async () => {
    const state = collection();
    const { seen, stop } = follow();
    await until('the first stream', () => state.streams.length === 1);
    await server.kill();
    await server.revive();
    await until('the second stream', () => state.streams.length === 2);
    state.streams[1]?.event('ADDED', object('a', '2'));
    await until('the event', () => seen.length === 1);
    expect(state.from).toEqual(['1', '1']);
    stop();
  });

  it('lists again after 410, and tells what vanished, changed or was replaced meanwhile', async () => {
    const state = collection();
    state.list = list('5', object('gone', '1'), object('same', '2'), object('changed', '3'), object('replaced', '4'));
    const { seen, stop } = follow();
    await until('the first stream', () => state.streams.length === 1);
    seen.length = 0;
    state.list = list(
      '50',
      object('same', '2'),
      object('changed', '40'),
      object('replaced', '41', 'another'),
      object('new', '42'),
    );
    state.streams[0]?.event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' });
    await until('the second stream', () => state.streams.length === 2);
    expect(seen).toEqual([
      'DELETED gone@1',
      'MODIFIED changed@40',
      'DELETED replaced@4',
      'ADDED replaced@41',
      'ADDED new@42',
    ]);
    expect(state.from).toEqual(['5', '50']);
    stop();
  });

  it('reads events that arrive in pieces, multi-byte letters included', async () => {
    const state = collection();
    const { seen, stop } = follow();
    await until('the stream', () => state.streams.length === 1);
    const line = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: object('zürich', '9') })}\n`);
    for (const byte of line) state.streams[0]?.reply.write(Buffer.from([byte]));
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual(['ADDED zürich@9']);
    stop();
  });

  it('waits patiently for a kind that is not served yet', async () => {
    let calls = 0;
    server.handle(({ json, url, stream }) => {
      calls += 1;
      if (calls < 4) json(404, { kind: 'Status', reason: 'NotFound' });
      else if (url.searchParams.get('watch') === 'true') stream();
      else json(200, list('1', object('a', '1')));
    });
    const { seen, stop } = follow();
    await until('the object', () => seen.length === 1);
    expect(calls).toBeGreaterThanOrEqual(4);
    stop();
  });

  it('leaves no connection behind when it ends', async () => {
    const state = collection();
    const follows = Array.from({ length: 5 }, () => follow());
    await until('all streams', () => state.streams.length === 5);
    for (const one of follows) one.stop();
    client.close();
    await until('all connections closed', () => server.connections() === 0);
  });
});
