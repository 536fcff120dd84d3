import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@godwit/core/logger';
import type { Machine, RunState } from '@godwit/hypervisor';
import { fakeClock } from '@godwit/reconcile/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openJournal } from '../journal.ts';
import { recoverTarget } from './target.ts';
import type { TargetMigration } from '../types.ts';

let journalDir: string;
let migration: TargetMigration | undefined;
beforeEach(() => {
  journalDir = mkdtempSync(join(tmpdir(), 'node-agent-paused-'));
});
afterEach(async () => {
  await migration?.close();
  rmSync(journalDir, { recursive: true });
});

/** The guest as an agent finds it that comes after the commit, and as it is when the migration has ended. */
async function arrived(found: RunState, paused: boolean, refusals = 0): Promise<readonly unknown[]> {
  let state = found;
  let left = refusals;
  // The cast is safe: nothing else of a target's machine is used after a restart.
  const machine = {
    directory: '/nowhere',
    state: async () => state,
    memory: async () => ({ status: 'completed' }),
    onEvent: () => () => undefined,
    resume: async () => void (state = 'running'),
    async pause() {
      if (left-- > 0) throw new Error('QEMU is busy');
      state = 'paused';
    },
  } as unknown as Machine;
  const journal = openJournal(journalDir, 'm', 'target');
  await journal.writeRecord({ record: 'commit', epoch: 1 });
  const identity = { id: 'm', namespace: 'ns', name: 'vm' };
  const prepared = { spec: {}, backings: [], postCopy: false, ...(paused && { paused }) };
  // The cast is safe: there is no network here, and nobody looks at the guest's hardware.
  const context = { identity, directory: '/nowhere', host: 'nowhere.invalid', prepared } as never;
  const clock = fakeClock(0);
  const onStatus = undefined;
  migration = recoverTarget({ context, journal, machine, renew: undefined, log: silentLogger, clock, onStatus });
  const outcome = await migration.done;
  return [outcome.result, 'paused' in outcome && outcome.paused, state];
}

it.each<[string, RunState, boolean, number, RunState]>([
  [
    'that its user has paused is paused, though an agent was killed while QEMU took over its disks',
    'running',
    true,
    0,
    'paused',
  ],
  ['is paused as soon as QEMU can', 'running', true, 2, 'paused'],
  ['that had not begun to run is let run for that moment', 'paused', true, 0, 'paused'],
  ['that nobody has paused runs on', 'running', false, 0, 'running'],
])('a guest %s', async (_, found, paused, refusals, wanted) => {
  expect(await arrived(found, paused, refusals)).toEqual(['running', paused, wanted]);
});
