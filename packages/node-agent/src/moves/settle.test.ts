import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { silentLogger } from '@godwit/core/logger';
import type { Hypervisor } from '@godwit/hypervisor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machinesIn } from '../../test/machines-in.ts';
import type { MachineRecord } from '../launcher/record.ts';
import { openJournal } from '../migration/journal.ts';
import type { Executor, Executors } from './executors.ts';
import { createMoveRecords } from './record.ts';
import type { MoveRecord } from './record.ts';
import { settleOutcome, unknownMachine } from './settle.ts';
import { takeUpMoves } from './take-up.ts';

type AddArguments = Parameters<Executors['add']>;
const identity = { id: 'm', namespace: 'ns', name: 'vm' };
const move: MoveRecord = {
  role: 'source',
  identity,
  migrationUid: 'm',
  migrationName: 'm',
  pod: { namespace: 'ns', name: 'pod', uid: 'uid-1' },
  vmi: { name: 'vm', uid: 'uid-vm' },
  crossCluster: false,
};

describe('a machine whose migration cannot be taken up', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'node-agent-settle-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** What an agent finds that comes back, when the QEMU of the migration does not answer. */
  async function takenUp(role: 'source' | 'target', known?: Partial<MachineRecord>) {
    const adopt = () => Promise.reject(new GodwitError('HYPERVISOR_UNREACHABLE', 'It hangs'));
    const { machines, records } = machinesIn(root, { hypervisor: { adopt } });
    const moveRecords = createMoveRecords(records, join(root, 'vms'));
    const record = { ...move, role };
    const runDirectory = await machines.makeRunDirectory('uid-1');
    if (known) await records.write({ ...unknownMachine(record, runDirectory), ...known });
    await moveRecords.write(record);
    const journalDir = join(root, 'journal');
    await openJournal(journalDir, 'm', role).writeContext({ identity, directory: runDirectory });
    const handles: Executor['handle'][] = [];
    const pods = await takeUpMoves({
      journalDir,
      moveRecords,
      // The casts are safe: executors are only added here, QEMU is only asked for, and nobody reports progress.
      executors: {
        list: () => [],
        add: (...[, handle]: AddArguments) => void handles.push(handle),
      } as unknown as Executors,
      io: { hypervisor: { adopt } as unknown as Hypervisor, machines, records },
      progressOf: () => ({}) as never,
      renew: () => Promise.reject(new Error('nobody signs')),
      onChange: () => undefined,
      clock: systemClock,
      log: silentLogger,
    });
    for (const handle of handles) await handle.close();
    expect(pods).toEqual(new Set(['uid-1']));
    // The cast is safe: nothing else of an executor counts for what its outcome means.
    const settle = (outcome: Parameters<typeof settleOutcome>[2]) =>
      settleOutcome({ machines, records }, { record } as Executor, outcome);
    return { machines, records, settle };
  }

  const failed = { result: 'failed', reason: 'r', sourceRunning: false, timeline: [] } as const;

  it('is reserved until the migration has ended', async () => {
    const { machines, records, settle } = await takenUp('source', {});
    expect(machines.whyReserved('uid-1')).toBe('It hangs');
    await settle(failed);
    expect(machines.whyReserved('uid-1')).toBeUndefined();
    expect((await records.read('uid-1'))?.end?.outcome).toBe('crashed');
  });

  it('is not reserved when it has ended already: its pod may go', async () => {
    const end = { outcome: 'killed', message: 'before', atMs: 0 } as const;
    const { machines, records, settle } = await takenUp('source', { state: 'ended', end });
    expect(machines.whyReserved('uid-1')).toBeUndefined();
    await settle(failed);
    expect((await records.read('uid-1'))?.end).toEqual(end);
  });

  it('is free when it ends in between, whatever its migration comes to', async () => {
    const { machines, records, settle } = await takenUp('source', {});
    const end = { outcome: 'killed', message: 'meanwhile', atMs: 0 } as const;
    const record = await records.read('uid-1');
    if (record) await records.write({ ...record, state: 'ended', end });
    await settle(failed);
    expect(machines.whyReserved('uid-1')).toBeUndefined();
    expect((await records.read('uid-1'))?.end).toEqual(end);
  });

  it('is reserved on the target as well, of which only the journal knows', async () => {
    const { machines, settle } = await takenUp('target');
    expect(machines.whyReserved('uid-1')).toBe('It hangs');
    await settle({ result: 'aborted', reason: 'r' });
    expect(machines.whyReserved('uid-1')).toBeUndefined();
  });
});
