import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@godwit/core/logger';
import type { Machine, MachineEvent } from '@godwit/hypervisor';
import { fakeClock } from '@godwit/reconcile/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openJournal } from '../journal.ts';
import { recoverTarget } from './target.ts';
import type { TargetMigration } from '../types.ts';

const identity = { id: 'm', namespace: 'ns', name: 'vm' };

/** A QEMU that has a part of its guest's memory, and cannot begin to run it without another part. */
function hanging(first: 'postcopy-active' | 'postcopy-paused') {
  let status = first;
  const end = Promise.withResolvers<never>();
  const listeners: ((event: MachineEvent) => void)[] = [];
  const asked: string[] = [];
  let alive = true;
  // The cast is safe: nothing else of a target's machine is used after a restart.
  const machine = {
    directory: '/nowhere',
    state: async () => (alive ? 'paused' : 'gone'),
    memory: async () => ({ status }),
    onEvent: (listener: (event: MachineEvent) => void) => void listeners.push(listener),
    resume() {
      asked.push('resume');
      return end.promise;
    },
    async kill() {
      asked.push('kill');
      alive = false;
      end.reject(new Error('QEMU has ended'));
    },
  } as unknown as Machine;
  const breaks = () => {
    status = 'postcopy-paused';
    for (const tell of listeners) tell({ type: 'migration', atMs: 0, status: 'postcopy-paused' });
  };
  return { machine, asked, breaks };
}

describe('a QEMU that does not begin to run its guest for want of memory', () => {
  let journalDir: string;
  let migration: TargetMigration | undefined;
  beforeEach(() => {
    journalDir = mkdtempSync(join(tmpdir(), 'node-agent-hanging-'));
  });
  afterEach(async () => {
    await migration?.close();
    rmSync(journalDir, { recursive: true });
  });

  /** An agent that comes after the commit, and finds that QEMU. */
  async function take(machine: Machine) {
    const journal = openJournal(journalDir, 'm', 'target');
    await journal.writeRecord({ record: 'commit', epoch: 1, postCopy: 'partial' });
    const clock = fakeClock(0);
    // The cast is safe: there is no network here, neither for the source nor for its memory.
    const context = { identity, directory: '/nowhere', host: 'nowhere.invalid', prepared: { postCopy: true } } as never;
    const taken = recoverTarget({
      context,
      journal,
      machine,
      renew: undefined,
      log: silentLogger,
      clock,
      onStatus: undefined,
    });
    migration = taken;
    return { taken, clock };
  }
  const hindered = (taken: TargetMigration) =>
    vi.waitFor(() => expect(taken.status().hindrance).toContain('the guest is given up'));

  it('does not keep it from being joined again: a stream that breaks meanwhile is told, with a limit', async () => {
    const { machine, asked, breaks } = hanging('postcopy-active');
    const { taken } = await take(machine);
    await vi.waitFor(() => expect(asked).toEqual(['resume']));
    breaks();
    await hindered(taken);
    expect(taken.status().phase).toBe('Committed');
  });

  it('is ended with the guest when its VMI is deleted', async () => {
    const { machine, asked } = hanging('postcopy-paused');
    const { taken } = await take(machine);
    await hindered(taken);
    taken.endGuest('force');
    expect(await taken.done).toMatchObject({ result: 'lost', reason: expect.stringContaining('its VMI was deleted') });
    expect(asked).toEqual(['resume', 'kill']);
  });

  it('is given up in the end when nobody joins it', async () => {
    const { machine } = hanging('postcopy-paused');
    const { taken, clock } = await take(machine);
    let over = false;
    void taken.done.then(() => (over = true));
    await vi.waitFor(
      () => {
        clock.advance(5000);
        expect(over).toBe(true);
      },
      { timeout: 20_000, interval: 5 },
    );
    expect(await taken.done).toMatchObject({ result: 'lost', torn: true });
  });
});
