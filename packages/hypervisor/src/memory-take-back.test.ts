import { silentLogger } from '@godwit/core/logger';
import type { QmpClient } from '@godwit/qmp';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MemoryProgress } from './contract/memory-sending.ts';
import { untilItGoesOn } from './memory-take-back.ts';
import { createMonitor } from './monitor.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** How it ends when QEMU says that after so many seconds, `afterMs` later. */
async function ending(
  says: (seconds: number) => MemoryProgress['status'],
  afterMs: number,
  failed: Promise<never> = new Promise(() => undefined),
): Promise<unknown> {
  // The cast is safe: waiting needs no more of a client.
  const client = { onEvent: () => () => undefined, closed: new Promise(() => undefined) } as unknown as QmpClient;
  const begun = performance.now();
  let end: unknown = 'it waits';
  void untilItGoesOn(
    createMonitor(client, 'tiny', silentLogger),
    async () => ({ status: says((performance.now() - begun) / 1000) }),
    { failed },
  ).then(
    () => (end = 'it goes on'),
    (error: unknown) => (end = error),
  );
  await vi.advanceTimersByTimeAsync(afterMs);
  return end;
}

it('a guest is taken back however long the comparison takes on a busy host', async () => {
  const slow = (seconds: number) =>
    seconds < 5 ? 'postcopy-paused' : seconds < 200 ? 'postcopy-recover' : 'postcopy-active';
  expect(await ending(slow, 190_000)).toBe('it waits');
  expect(await ending(slow, 201_000)).toBe('it goes on');
});

it.each<[string, MemoryProgress['status'], number]>([
  ['does not even connect', 'postcopy-paused', 61_000],
  ['compares for longer than a guest is worth', 'postcopy-recover', 301_000],
])('a QEMU that %s is given up', async (_, status, afterMs) => {
  expect(await ending(() => status, afterMs)).toMatchObject({ code: 'HYPERVISOR_TIMEOUT', retry: 'backoff' });
});

it('a connection that ends is told at once', async () => {
  const failed = Promise.reject(new Error('QEMU has ended the connection'));
  expect(await ending(() => 'postcopy-recover', 1000, failed)).toMatchObject({
    message: 'QEMU has ended the connection',
  });
});
