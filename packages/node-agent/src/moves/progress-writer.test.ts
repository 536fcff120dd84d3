import type { MigrationProgress } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import { beforeEach, expect, it, vi } from 'vitest';
import { createProgressWriter, mergePatch } from './progress-writer.ts';

const progress = (stage: MigrationProgress['stage'], bytesDone: number): MigrationProgress => ({
  updatedAt: '2026-01-01T00:00:00.000Z',
  stage,
  bytesTotal: 100,
  bytesDone,
});

const at = { namespace: 'a', name: 'b', uid: 'u' };

let nowMs: number;
let timers: { readonly atMs: number; readonly fn: () => void }[];
let written: number[];
let answer: PromiseWithResolvers<void> | undefined;

const clock: Clock = {
  now: () => nowMs,
  after(ms, fn) {
    const timer = { atMs: nowMs + ms, fn };
    timers.push(timer);
    return () => (timers = timers.filter((one) => one !== timer));
  },
};
const client = {
  async patch(...call: readonly unknown[]) {
    const body = call[3] as { patch: { status: { progress: MigrationProgress } } };
    written.push(body.patch.status.progress.bytesDone);
    await answer?.promise;
  },
} as unknown as KubeClient;

async function passUntil(atMs: number): Promise<void> {
  nowMs = atMs;
  for (const timer of timers.filter((one) => one.atMs <= atMs)) {
    timers = timers.filter((one) => one !== timer);
    timer.fn();
  }
  await vi.waitFor(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  nowMs = 1000;
  timers = [];
  written = [];
  answer = undefined;
});

it('writes the first figures at once, then the newest twice a second', async () => {
  const writer = createProgressWriter(client, at, { clock, log: silentLogger });
  writer.write(progress('CopyingDisks', 1));
  await passUntil(1100);
  writer.write(progress('CopyingDisks', 2));
  writer.write(progress('CopyingDisks', 3));
  await passUntil(1499);
  expect(written).toEqual([1]);
  await passUntil(1500);
  expect(written).toEqual([1, 3]);
});

it('is quiet while the guest is paused, and tells the end at once', async () => {
  const writer = createProgressWriter(client, at, { clock, log: silentLogger });
  writer.write(progress('CopyingMemory', 1));
  await passUntil(1600);
  writer.write(progress('SwitchingOver', 2));
  await passUntil(1899);
  expect(written).toEqual([1]);
  writer.write(progress('Done', 3));
  await passUntil(1899);
  expect(written).toEqual([1, 3]);
});

it('flushes what it holds back, after the write under way', async () => {
  const writer = createProgressWriter(client, at, { clock, log: silentLogger });
  answer = Promise.withResolvers();
  writer.write(progress('CopyingMemory', 1));
  writer.write(progress('HandingOver', 2));
  const flushed = writer.flush();
  expect(written).toEqual([1]);
  answer.resolve();
  await flushed;
  expect(written).toEqual([1, 2]);
});

it('takes away what is told no more', () => {
  const memory = { bytesTotal: 5, bytesDone: 1 };
  const before = { ...progress('CopyingMemory', 1), etaSeconds: 7, memory: { ...memory, throttlePercent: 20 } };
  const next = { ...progress('CopyingMemory', 2), memory };
  expect(mergePatch(before, next)).toEqual({ ...next, etaSeconds: null, memory: { ...memory, throttlePercent: null } });
  expect(mergePatch(undefined, next)).toEqual(next);
  expect(mergePatch(next, progress('Done', 3))).toEqual({ ...progress('Done', 3), memory: null });
});

/** An API server that holds progress of an object with this uid, and does not answer at first. */
function holding(uid: string, { refusals = 0, absent = false } = {}) {
  const found = { ...progress('HandingOver', 5), etaSeconds: 7 };
  const patches: unknown[] = [];
  let left = refusals;
  const server = {
    async get() {
      if (left-- > 0) throw new Error('nobody answers');
      return absent ? undefined : { metadata: { name: 'b', uid }, status: { progress: found } };
    },
    patch: async (...call: readonly unknown[]) => void patches.push(call[3]),
  };
  // The cast is safe: a writer uses nothing else.
  return { found, patches, client: server as unknown as KubeClient };
}

it('goes on from what the object says, whose figures that are told no more it takes away', async () => {
  const server = holding('u');
  const writer = createProgressWriter(server.client, at, { clock, log: silentLogger });
  expect(await writer.told(() => false)).toEqual(server.found);
  writer.write(progress('Done', 100));
  await writer.flush();
  const patch = { metadata: { uid: 'u' }, status: { progress: { ...progress('Done', 100), etaSeconds: null } } };
  expect(server.patches).toEqual([{ type: 'merge', patch }]);
});

it.each([
  ['of another object with the same name', holding('other')],
  ['of an object that is gone', holding('u', { absent: true })],
])('writes nothing %s', async (_, server) => {
  const writer = createProgressWriter(server.client, at, { clock, log: silentLogger });
  expect(await writer.told(() => false)).toBeUndefined();
  writer.write(progress('Done', 100));
  await writer.flush();
  expect(server.patches).toEqual([]);
});

it('asks until it is answered or stopped; what is held back until then is written before the end', async () => {
  const server = holding('u', { refusals: 1 });
  const writer = createProgressWriter(server.client, at, { clock, log: silentLogger });
  void writer.told(() => false).then(() => writer.write(progress('Done', 100)));
  let isFlushed = false;
  const flushed = writer.flush().then(() => (isFlushed = true));
  await passUntil(1000);
  expect(isFlushed).toBe(false);
  await passUntil(1050);
  await flushed;
  expect(server.patches).toHaveLength(1);
  const silent = createProgressWriter(holding('u', { refusals: 9 }).client, at, { clock, log: silentLogger });
  const told = silent.told(() => nowMs > 2000);
  for (const atMs of [1050, 1100, 2100]) await passUntil(atMs);
  expect(await told).toBeUndefined();
});
