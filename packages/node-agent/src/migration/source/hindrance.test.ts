import { silentLogger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { durably } from '../durably.ts';
import { restoreSource } from './restore-source.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function failing(times: number): () => Promise<void> {
  let left = times;
  return () => (left-- > 0 ? Promise.reject(new Error('ENOSPC')) : Promise.resolve());
}

async function heard(work: (hindered: (why: string | undefined) => void) => Promise<unknown>): Promise<unknown[]> {
  const said: unknown[] = [];
  const done = work((why) => said.push(why));
  await vi.advanceTimersByTimeAsync(60_000);
  await done;
  return said;
}

it('a journal that cannot be written is told once it is more than a hiccup, and until it can be', async () => {
  const said = await heard((hindered) => durably(failing(10), silentLogger, hindered));
  expect(said[0]).toContain('ENOSPC');
  expect(said.at(-1)).toBeUndefined();
  expect(await heard((hindered) => durably(failing(1), silentLogger, hindered))).toEqual([]);
});

it('a guest that does not come back at its source is told', async () => {
  const resume = failing(60);
  let state = 'paused';
  // The cast is safe: giving a guest back uses these members only.
  const machine = {
    cutLinks: async () => undefined,
    memory: async () => ({ status: 'none' }),
    state: async () => state,
    resume: () => resume().then(() => void (state = 'running')),
  } as unknown as Machine;
  const said = await heard((hindered) => restoreSource(machine, [], silentLogger, hindered));
  expect(said[0]).toContain('ENOSPC');
  expect(said.at(-1)).toBeUndefined();
});

it('a QEMU that waits for its peer is cut off before it is asked anything, and is told of while it does not answer', async () => {
  const cut = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  // The cast is safe: giving a guest back uses these members only.
  const machine = {
    cutLinks: async () => cut.resolve(),
    memory: async () => {
      await cut.promise;
      await reached.promise;
      return { status: 'none' };
    },
    state: async () => 'running',
  } as unknown as Machine;
  const said: unknown[] = [];
  const restored = restoreSource(machine, [], silentLogger, (why) => said.push(why));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(said).toEqual([expect.stringContaining('does not answer')]);
  reached.resolve();
  await expect(restored).resolves.toBe('running');
  expect(said.at(-1)).toBeUndefined();
});
