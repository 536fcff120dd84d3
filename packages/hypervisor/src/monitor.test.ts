import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { silentLogger } from '@godwit/core/logger';
import type { QmpClient } from '@godwit/qmp';
import { expect, it } from 'vitest';
import { createMonitor } from './monitor.ts';

/** Counts how often links were looked for to be cut; nothing else of a client is needed here. */
function watchedMonitor() {
  const seen = { cuts: 0 };
  const client: Partial<QmpClient> = {
    executeOutOfBand: async () => {
      seen.cuts += 1;
      return [] as never; // no links
    },
  };
  // The cast is safe: `orCut` uses this one method.
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
