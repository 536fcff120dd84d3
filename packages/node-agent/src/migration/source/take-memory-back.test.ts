import { silentLogger } from '@godwit/core/logger';
import type { Machine, MemoryProgress } from '@godwit/hypervisor';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { restoreSource } from './restore-source.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Status = MemoryProgress['status'];
const TORN: Status = 'postcopy-paused';

/** A guest whose stream broke; each attempt to take it back leaves QEMU in the next of these states, and fails unless it is the last. */
function torn(first: Status, ...after: readonly (Status | 'it takes a minute')[]) {
  let status: Status = first;
  let state: 'paused' | 'postmigrate' | 'running' | 'gone' = 'postmigrate';
  const attempts: number[] = [];
  const partial = {
    directory: '/run/vm',
    cutLinks: async () => undefined,
    memory: async () => ({ status }),
    state: async () => state,
    resume: async () => void (state = 'running'),
    kill: async () => void (state = 'gone'),
    async takeMemoryBack() {
      if (status !== TORN) return;
      const next = after[attempts.push(Date.now()) - 1];
      if (next === 'it takes a minute') await new Promise((resolve) => setTimeout(resolve, 60_000));
      status = next === undefined || next === 'it takes a minute' ? 'cancelled' : next;
      if (status !== 'cancelled') throw new Error('ENOSPC: no space left on device, listen');
    },
  };
  // The cast is safe: giving a guest back uses these members only.
  return { machine: partial as unknown as Machine, attempts };
}

async function restored({ machine }: { machine: Machine }) {
  const said: (string | undefined)[] = [];
  let result: unknown;
  void restoreSource(machine, [], silentLogger, (why) => said.push(why), undefined, true).then((end) => (result = end));
  await vi.advanceTimersByTimeAsync(120_000);
  return { result, said };
}

it('a guest whose post-copy broke is waited for, and told of meanwhile', async () => {
  const { result, said } = await restored(torn(TORN, 'it takes a minute'));
  expect(result).toBe('running');
  expect(said[0]).toContain('QEMU is being told to keep the guest');
  expect(said.at(-1)).toBeUndefined();
});

it('what may pass is tried again, with time between, more than a few times', async () => {
  const guest = torn(TORN, TORN, TORN, TORN, TORN, TORN, TORN, 'cancelled');
  expect((await restored(guest)).result).toBe('running');
  expect(guest.attempts.length).toBe(7);
  const between = guest.attempts.slice(1).map((at, index) => at - (guest.attempts[index] ?? 0));
  expect(Math.min(...between)).toBeGreaterThanOrEqual(1000);
});

it.each<[string, ReturnType<typeof torn>]>([
  ['that lost the connection while it compared', torn(TORN, 'postcopy-recover')],
  ['that an earlier agent has left so', torn('postcopy-recover')],
])('a QEMU %s is ended: nobody could run its guest', async (_, guest) => {
  expect((await restored(guest)).result).toBe('gone');
});
