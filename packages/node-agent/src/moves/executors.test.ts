import { tmpdir } from 'node:os';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { apiError, KubeUnreachableError } from '@godwit/kube-client';
import { fakeClock } from '@godwit/reconcile/testing';
import { expect, it, vi } from 'vitest';
import type { RunningMigration, SourceOutcome, TargetOutcome } from '../migration/types.ts';
import { createExecutors, noteRefusal, statusOf } from './executors.ts';
import type { MoveRecord, MoveRecords } from './record.ts';

const outcome: SourceOutcome = { result: 'failed', reason: 'the link was lost', sourceRunning: true, timeline: [] };
const record: MoveRecord = {
  role: 'source',
  identity: { id: 'm1', namespace: 'default', name: 'vm1' },
  migrationUid: 'm1',
  migrationName: 'm1',
  pod: { namespace: 'default', name: 'virt-launcher-vm1', uid: 'p1' },
  vmi: { name: 'vm1', uid: 'v1' },
  crossCluster: false,
};

it('a migration has ended here only once its machine is settled, and says meanwhile what keeps it', async () => {
  let full = true;
  const executors = createExecutors({
    journalDir: '/none',
    // The cast is safe: nothing is recorded or forgotten here.
    moveRecords: {} as MoveRecords,
    settle: async () => {
      if (full) throw new Error('no space left on device');
    },
    onChange: () => undefined,
    onPod: () => undefined,
    clock: systemClock,
    log: silentLogger,
  });
  // The cast is safe: an executor follows `done` and asks for `status`, nothing else here.
  const handle = {
    role: 'source',
    done: Promise.resolve(outcome),
    status: () => ({ phase: 'Resumed', undecided: false }),
  } as unknown as RunningMigration;
  const executor = executors.add(record, handle, { flush: async () => undefined });
  const wait = { timeoutMs: 10_000, intervalMs: 5, what: 'the executor' };
  await waitFor(() => executor.hindrance !== undefined, wait);
  expect(statusOf(executor).hindrance).toMatch(/no space left on device/);
  expect(executors.isMoving('p1')).toBe(true);
  expect(executor.outcome).toBeUndefined();
  full = false;
  await waitFor(() => executor.outcome === outcome, wait);
  expect(statusOf(executor).hindrance).toBeUndefined();
  expect(executors.isMoving('p1')).toBe(false);
  expect(executors.isUntold('p1')).toBe(true);
  // A server that cannot be reached has refused nothing; one that goes on refusing is not waited for.
  const unreachable = new KubeUnreachableError('connection refused', { method: 'PATCH', path: '/' });
  for (let n = 0; n < 20; n += 1) noteRefusal(executor, unreachable);
  expect(executors.isUntold('p1')).toBe(true);
  for (let n = 0; n < 10; n += 1) noteRefusal(executor, apiError('PATCH', '/', 422, undefined, 'invalid'));
  expect(executors.isUntold('p1')).toBe(false);
  executor.refused = false;
  noteRefusal(executor, apiError('PATCH', '/', 403, undefined, 'it does not run there'));
  expect(executors.isUntold('p1')).toBe(false);
});

it.each<[string, Partial<MoveRecord>, TargetOutcome['result'], boolean]>([
  ['at once: its source finds in the record that the guest is here', {}, 'running', true],
  ['at once: its source finds in the record that the guest stays', {}, 'aborted', true],
  [
    'when nobody can ask any more: the record of a source elsewhere follows by itself',
    { crossCluster: true },
    'running',
    false,
  ],
])('a forgotten target listens no more, %s', async (_, changes, result, atOnce) => {
  const clock = fakeClock(0);
  const executors = createExecutors({
    journalDir: tmpdir(),
    moveRecords: { write: async () => undefined, remove: async () => undefined, list: async () => [] },
    settle: async () => undefined,
    onChange: () => undefined,
    onPod: () => undefined,
    clock,
    log: silentLogger,
  });
  const close = vi.fn<() => Promise<void>>(async () => undefined);
  // The cast is safe: an executor follows `done` and closes.
  const handle = {
    role: 'target',
    done: Promise.resolve({ result, reason: 'r' }),
    close,
  } as unknown as RunningMigration;
  const of = { ...record, ...changes, role: 'target' } as const;
  const executor = executors.add(of, handle, { flush: async () => undefined });
  await vi.waitFor(() => expect(executor.outcome).toBeDefined());
  expect(close).not.toHaveBeenCalled();
  await executors.forget(executor);
  expect(executors.list()).toEqual([]);
  expect(close).toHaveBeenCalledTimes(atOnce ? 1 : 0);
  clock.advance(60 * 60_000);
  expect(close).toHaveBeenCalledTimes(1);
});
