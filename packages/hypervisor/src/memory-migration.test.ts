import { silentLogger } from '@godwit/core/logger';
import type { QmpClient } from '@godwit/qmp';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { RunState } from './contract/machine.ts';
import type { DiskGraph } from './disk-graph.ts';
import { createMemoryMigration } from './memory-migration.ts';
import { createMonitor } from './monitor.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Of a QEMU that says this of its migration after so long, and of its guest. */
function migrationOf(status: (ms: number) => string, guest: RunState) {
  const begun = performance.now();
  // The casts are safe: cancelling needs no more of a client, and nothing of the disks.
  const client = {
    execute: async (command: string) =>
      command === 'query-migrate' ? { status: status(performance.now() - begun) } : {},
    executeOutOfBand: async () => [],
    onEvent: () => () => undefined,
    closed: new Promise(() => undefined),
  } as unknown as QmpClient;
  return createMemoryMigration({
    monitor: createMonitor(client, 'tiny', silentLogger),
    graph: {} as DiskGraph,
    log: silentLogger,
    state: async () => guest,
  });
}

/** How cancelling has ended after ten seconds. */
async function cancelled(status: (ms: number) => string, guest: RunState): Promise<unknown> {
  let end: unknown = 'it waits';
  void migrationOf(status, guest)
    .cancelMemory()
    .then(
      () => (end = 'cancelled'),
      (error: unknown) => (end = error),
    );
  await vi.advanceTimersByTimeAsync(10_000);
  return end;
}

it.each<RunState>(['running', 'paused'])(
  'a migration that QEMU never ends is cancelled when its guest is here (%s)',
  async (guest) => {
    expect(await cancelled(() => 'cancelling', guest)).toBe('cancelled');
  },
);

it('a guest that stands still for the switchover is not taken for one that is here', async () => {
  expect(await cancelled(() => 'cancelling', 'finish-migrate')).toMatchObject({ code: 'HYPERVISOR_TIMEOUT' });
});

it('a migration that goes on is not taken for cancelled', async () => {
  expect(await cancelled(() => 'active', 'running')).toMatchObject({ code: 'HYPERVISOR_TIMEOUT' });
});

it('memory that was handed over meanwhile is not taken for cancelled', async () => {
  const status = (ms: number) => (ms < 1000 ? 'cancelling' : 'completed');
  expect(await cancelled(status, 'postmigrate')).toMatchObject({ code: 'HYPERVISOR_WRONG_STATE' });
});
