import { resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { namespace } from '../apps/cli/src/commands/demo/objects.ts';
import { testFaults } from './support/fault-table.ts';
import type { Fault } from './support/fault.ts';
import { expectClean } from './support/guest.ts';
import { expectSoundEnd, expectSuccess, untilInside } from './support/move.ts';
import { configureMigrations } from './support/pair.ts';
import { moveToOtherNode } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { shared } from './support/storage.ts';

const slow = { bandwidthPerMigration: '16Mi' };
const faults: Fault[] = [
  ['the target node agent', '10 %'],
  ['the source carrier', '10 %'],
  ['the source node agent', '50 %'],
  ['the target QEMU', '50 %'],
  ['the API server', '90 %'],
  ['the controllers', 'the switchover'],
  ['the target carrier', 'the switchover'],
];

describe('a node move of memory alone', () => {
  const subject = useGuest(shared);

  testFaults(
    faults,
    'CopyingMemory',
    subject,
    async (guest) => {
      return moveToOtherNode(guest);
    },
    slow.bandwidthPerMigration,
  );

  it('is cancelled by deleting its object [SLM 5.3 #42]', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    const move = await moveToOtherNode(guest);
    await untilInside(move, 'CopyingMemory');
    await move.source.client.delete(resources.virtualMachineInstanceMigrations, move.name, namespace);
    expect(await expectSoundEnd(guest, move)).toBe('stayed');
  });

  it('succeeds afterwards [SLM 5.3 #29 #32 #38]', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    await expectSuccess(guest, await moveToOtherNode(guest));
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
