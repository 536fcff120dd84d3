import { silentLogger } from '@godwit/core/logger';
import type { Machine, RunState } from '@godwit/hypervisor';
import { describe, expect, it } from 'vitest';
import { letRun } from './target/arrival.ts';
import { restoreSource } from './source/restore-source.ts';

function machine(first: RunState): { machine: Machine; asked: string[]; state: () => RunState } {
  let state = first;
  const asked: string[] = [];
  const become = (what: string, next: RunState) => async () => {
    asked.push(what);
    state = next;
  };
  // The cast is safe: letting a guest run and taking it back use these members only.
  const partial = {
    cutLinks: async () => undefined,
    memory: async () => ({ status: 'completed' }),
    state: async () => state,
    resume: become('resume', 'running'),
    pause: become('pause', 'paused'),
  } as unknown as Machine;
  return { machine: partial, asked, state: () => state };
}

describe('a guest that somebody has paused [SLM 5.3 #47]', () => {
  const restore = (from: Machine, paused: boolean) =>
    restoreSource(from, [], silentLogger, undefined, undefined, false, paused);

  it.each<[string, RunState, boolean, string[], RunState]>([
    ['stays paused at its source', 'paused', true, [], 'paused'],
    ['is taken back by QEMU running only', 'postmigrate', true, ['resume', 'pause'], 'paused'],
    ['whose pause was cut short is paused', 'running', true, ['pause'], 'paused'],
    ['by a migration only runs', 'paused', false, ['resume'], 'running'],
    ['that has shut down is left so', 'shutdown', true, [], 'shutdown'],
  ])('%s', async (_, from, paused, asked, wanted) => {
    const guest = machine(from);
    expect(await restore(guest.machine, paused)).toBe('running');
    expect(guest.asked).toEqual(asked);
    expect(guest.state()).toBe(wanted);
  });

  it('has its disks taken over at its target, and is paused there', async () => {
    const guest = machine('paused');
    expect(await letRun(guest.machine, silentLogger, true)).toBe('running');
    expect(guest.state()).toBe('paused');
    expect(await letRun(guest.machine, silentLogger)).toBe('running');
    expect(guest.state()).toBe('running');
  });
});

describe('a guest that stopped by itself on its way', () => {
  it.each<RunState>(['shutdown', 'internal-error'])(
    'has arrived: %s is no state that it could be let out of',
    async (state) => {
      const { machine: stopped } = machine(state);
      stopped.resume = async () => {
        throw new Error('Resetting the Virtual Machine is required');
      };
      expect(await letRun(stopped, silentLogger)).toBe('running');
      expect(await letRun(stopped, silentLogger, true)).toBe('running');
    },
  );
});
