import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { Hypervisor } from '@godwit/hypervisor';
import { createTestAuthority } from '@godwit/migration-link/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { machinesIn } from '../../test/machines-in.ts';
import { openJournal } from '../migration/journal.ts';
import type { RunningMigration } from '../migration/types.ts';
import type { Executors } from './executors.ts';
import { createMoveRecords } from './record.ts';
import { unknownMachine } from './settle.ts';
import { takeUpMoves } from './take-up.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'node-agent-take-up-'));
});
afterEach(() => rmSync(root, { recursive: true }));

it('a target that is taken up late is its migration’s again, and no machine that does not answer', async () => {
  let hangs = true;
  const adopt = async () => {
    if (hangs) throw new Error('QEMU does not answer');
    return undefined;
  };
  const { machines, records } = machinesIn(root, { hypervisor: { adopt } });
  const journalDir = join(root, 'journal');
  const moveRecords = createMoveRecords(records, join(root, 'vms'));
  const identity = { id: 'm', namespace: 'ns', name: 'vm' };
  const journal = openJournal(journalDir, 'm', 'target');
  const credentials = await (await createTestAuthority()).issue(identity, 'target');
  await journal.writeContext({ identity, directory: '/nowhere', host: '127.0.0.1', controlPort: 0, credentials });
  await journal.writeRecord({ record: 'aborted', epoch: 1, reason: 'given up' });
  const pod = { namespace: 'ns', name: 'pod', uid: 'u' };
  const vmi = { name: 'vm', uid: 'v' };
  await records.write({ ...unknownMachine({ pod, vmi }, '/nowhere') });
  await moveRecords.write({
    role: 'target',
    identity,
    migrationUid: 'm',
    migrationName: 'm',
    pod,
    vmi,
    crossCluster: false,
  });
  const handles: RunningMigration[] = [];
  await takeUpMoves({
    journalDir,
    moveRecords,
    // The casts are safe: nothing else of them is used to take up a migration.
    executors: {
      list: () => [],
      add: (_: unknown, handle: RunningMigration) => handles.push(handle),
    } as unknown as Executors,
    io: { hypervisor: { adopt } as unknown as Hypervisor, machines, records },
    progressOf: () => ({ write: () => undefined, told: async () => undefined, flush: async () => undefined }),
    renew: () => Promise.reject(new Error('Nobody signs')),
    onChange: () => undefined,
    clock: systemClock,
    log: silentLogger,
  });
  expect(machines.whyReserved('u')).toContain('does not answer');
  hangs = false;
  const [migration] = handles;
  expect(await migration?.done).toMatchObject({ result: 'aborted' });
  await waitFor(() => machines.whyReserved('u') === undefined, { timeoutMs: 20_000, what: 'it to be free' });
  await migration?.close();
  machines.close();
});
