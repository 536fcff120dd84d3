import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { silentLogger } from '@godwit/core/logger';
import type { QmpClient } from '@godwit/qmp';
import { describe, expect, it } from 'vitest';
import { createMonitor } from './monitor.ts';

/** Counts how often links were looked for to be cut; nothing else of a client is needed here. */
function watchedMonitor() {
  const seen = { cuts: 0 };
  const client: Partial<QmpClient> = {
    executeOutOfBand: async () => {
      seen.cuts += 1;
      return [] as never; // no links
    },
    onEvent: () => () => undefined,
  };
  // The cast is safe: `orCut` and `until` use no more of it.
  return { seen, monitor: createMonitor(client as QmpClient, 'tiny', silentLogger) };
}

/** Keeps this process from doing anything, as a machine that is short of processors does. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it('hears an answer that came in time, however late it gets to run', async () => {
  const { seen, monitor } = watchedMonitor();
  const peer = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
  const answered = once(peer.stdout, 'data');
  const work = monitor.orCut(200, () => answered);
  peer.stdin.end('answer\n');
  // The words are written at the end of this turn; the peer answers while we stand still, past our patience.
  setImmediate(() => standStill(600));
  expect(String((await work)[0])).toBe('answer\n');
  await once(peer, 'close');
  expect(seen.cuts).toBe(0);
});

it('cuts when no answer comes', async () => {
  const { seen, monitor } = watchedMonitor();
  const answer = Promise.withResolvers<void>();
  const work = monitor.orCut(20, () => answer.promise);
  while (seen.cuts === 0) await new Promise((resolve) => setImmediate(resolve));
  answer.resolve();
  await work;
  expect(seen.cuts).toBe(1);
});

describe('waiting for what does not come', () => {
  const never = () => Promise.resolve(undefined);
  const waiting = (late?: () => Promise<boolean | undefined>) =>
    watchedMonitor().monitor.until<boolean>(never, { what: 'Rain', timeoutMs: 0, ...(late && { late }) });

  it('is an error that says for how long', async () => {
    await expect(waiting()).rejects.toMatchObject({
      code: 'HYPERVISOR_TIMEOUT',
      message: 'Rain of tiny took longer than 0 ms',
    });
  });

  it('comes to what another look gives', async () => {
    expect(await waiting(() => Promise.resolve(false))).toBe(false);
  });

  it('is an error when that gives nothing either', async () => {
    await expect(waiting(never)).rejects.toMatchObject({ code: 'HYPERVISOR_TIMEOUT' });
  });

  it('is the error of that look', async () => {
    await expect(waiting(() => Promise.reject(new Error('dry')))).rejects.toThrow('dry');
  });
});
