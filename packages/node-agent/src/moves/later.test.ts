import { GodwitError } from '@godwit/core/errors';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { expect, it, vi } from 'vitest';
import type { RunningMigration, SourceOutcome } from '../migration/types.ts';
import { takeUpLater } from './later.ts';

const identity = { id: 'm', namespace: 'ns', name: 'vm' };
const outcome: SourceOutcome = { result: 'failed', reason: 'given up', sourceRunning: true, timeline: [] };
const silent = new Error('QEMU does not answer');
const wait = { timeoutMs: 20_000, intervalMs: 5, what: 'the migration' };

function later(failures: () => boolean) {
  const done = Promise.withResolvers<SourceOutcome>();
  const abort = vi.fn<(reason: string) => Promise<SourceOutcome>>(() => done.promise);
  const hear = vi.fn<(word: string) => void>();
  const resolve = vi.fn<() => Promise<void>>(async () => undefined);
  const close = vi.fn<() => Promise<void>>(async () => undefined);
  const status = () => ({ phase: 'HandingOver', undecided: false });
  // The cast is safe: nothing else of it is used here.
  const real = { role: 'source', identity, status, done: done.promise, abort, hear, resolve, close };
  const takenUp = vi.fn<(handle: RunningMigration) => void>();
  const handle = takeUpLater(
    { role: 'source', identity, problem: silent },
    {
      takeUp: async () => {
        if (failures()) throw silent;
        return real as unknown as RunningMigration;
      },
      onTakenUp: takenUp,
      onStatus: () => undefined,
      log: silentLogger,
    },
  );
  if (handle.role !== 'source') throw new Error('It is another side');
  return { handle, done, abort, hear, resolve, close, takenUp };
}

it('a migration that cannot be taken up says so, and is the one that it is as soon as that can be seen', async () => {
  let hangs = true;
  const { handle, done, abort, hear, resolve, takenUp, close } = later(() => hangs);
  expect(handle.status()).toMatchObject({ undecided: false, hindrance: expect.stringContaining('does not answer') });
  const aborted = handle.abort('the user wants it');
  handle.hear('whole');
  await expect(handle.resolve('resume-source')).rejects.toMatchObject({ code: 'MIGRATION_NOT_UNDECIDED' });
  expect(abort).not.toHaveBeenCalled();
  hangs = false;
  await waitFor(() => takenUp.mock.calls.length > 0, wait);
  expect(handle.status()).toEqual({ phase: 'HandingOver', undecided: false });
  expect(abort).toHaveBeenCalledWith('the user wants it');
  expect(hear).toHaveBeenCalledWith('whole');
  await handle.resolve('resume-source');
  expect(resolve).toHaveBeenCalledTimes(1);
  done.resolve(outcome);
  expect(await Promise.all([handle.done, aborted])).toEqual([outcome, outcome]);
  await handle.close();
  expect(close).toHaveBeenCalledTimes(1);
});

it('is left to the next agent when this one ends first', async () => {
  const { handle, takenUp, close } = later(() => true);
  await handle.close();
  expect(takenUp).not.toHaveBeenCalled();
  expect(close).not.toHaveBeenCalled();
});

it('remembers of what it is asked only the last word', async () => {
  let hangs = true;
  const { handle, abort, hear, takenUp, close } = later(() => hangs);
  for (const reason of ['the pod was deleted', 'the pod was deleted', 'the user wants it']) void handle.abort(reason);
  for (const word of ['aborted', 'whole', 'whole'] as const) handle.hear(word);
  hangs = false;
  await waitFor(() => hear.mock.calls.length > 0, wait);
  expect(takenUp).toHaveBeenCalledTimes(1);
  expect(abort.mock.calls).toEqual([['the user wants it']]);
  expect(hear.mock.calls).toEqual([['whole']]);
  await handle.close();
  expect(close).toHaveBeenCalledTimes(1);
});

it('is taken up once only, and held as soon as that is possible', async () => {
  let takes = 0;
  const { handle, takenUp, abort } = later(() => (takes += 1) > 1);
  takenUp.mockImplementationOnce(() => {
    throw new Error('no room for its console');
  });
  void handle.abort('the user wants it');
  await waitFor(() => abort.mock.calls.length > 0, wait);
  expect(takenUp).toHaveBeenCalledTimes(2);
  expect(takes).toBe(1);
  await handle.close();
});

it('says what to do about a journal that cannot be read, as long as that is the problem', async () => {
  const unreadable = new GodwitError('JOURNAL_UNREADABLE', 'Cannot read /journal/source-m.context.json');
  let problem: Error = unreadable;
  const handle = takeUpLater(
    { role: 'source', identity, problem },
    { takeUp: () => Promise.reject(problem), onTakenUp: () => undefined, onStatus: () => undefined, log: silentLogger },
  );
  expect(handle.status()).toMatchObject({ unreadable: true, hindrance: expect.stringContaining('delete the VMI') });
  problem = silent;
  await waitFor(() => handle.status().unreadable !== true, wait);
  expect(handle.status().hindrance).not.toContain('delete the VMI');
  await handle.close();
});
