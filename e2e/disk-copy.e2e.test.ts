import { join } from 'node:path';
import { resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { namespace } from '../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../apps/cli/src/commands/demo/session.ts';
import { testFaults } from './support/fault-table.ts';
import type { Fault } from './support/fault.ts';
import { expectClean } from './support/guest.ts';
import { ended, expectSoundEnd, expectSuccess, untilInside } from './support/move.ts';
import { configureMigrations } from './support/pair.ts';
import { changeVolumes, moveWithDisks, otherNode, withdrawChange } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { smallDisk, whyNoSmallDisk } from './support/small-disk.ts';
import { local } from './support/storage.ts';

const slow = { bandwidthPerMigration: '10Mi' };
const faults: Fault[] = [
  ['the source node agent', '10 %'],
  ['the controllers', '10 %'],
  ['the target node agent', '50 %'],
  ['the API server', '50 %'],
  ['the source carrier', '50 %'],
  ['the target QEMU', '90 %'],
  ['the target carrier', '90 %'],
  ['the source node agent', 'the switchover'],
  ['the target node agent', 'the switchover'],
  ['the API server', 'the switchover'],
];

describe('a node move that copies disks', () => {
  const subject = useGuest(local);
  /** The volumes asked for; an attempt that fails leaves them to the next one. */
  let wanted: Whereabouts;

  it('fails with the reason when the target disk runs full, and the guest does not notice', async ({ skip }) => {
    const why = whyNoSmallDisk();
    if (why !== undefined) return skip(why);
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    const { layout, directory } = guest.pair;
    const pool = join(layout.cluster('alpha').node(await otherNode(guest)), 'volumes');
    {
      await using small = await smallDisk(pool, join(directory, 'small.img'), 300);
      const full = await changeVolumes(guest, local);
      const move = await moveWithDisks(guest, full);
      await untilInside(move, 'CopyingDisks');
      await small.fill();
      expect((await ended(move.source, move.name)).reason).toMatch(/full|space/i);
      expect(await expectSoundEnd(guest, move)).toBe('stayed');
      await withdrawChange(guest, full);
    }
  });

  testFaults(faults, 'CopyingDisks', subject, async (guest) => {
    if (wanted === undefined || wanted === guest.at) wanted = await changeVolumes(guest, local);
    return moveWithDisks(guest, wanted);
  });

  it('is cancelled by deleting its object [SLM 5.3 #42]', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    if (wanted === guest.at) wanted = await changeVolumes(guest, local);
    const move = await moveWithDisks(guest, wanted);
    await untilInside(move, 'CopyingDisks');
    await move.source.client.delete(resources.virtualMachineInstanceMigrations, move.name, namespace);
    expect(await expectSoundEnd(guest, move)).toBe('stayed');
  });

  it('succeeds afterwards, onto the very volumes that earlier attempts left half filled [SLM 5.1 #3]', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    await expectSuccess(guest, await moveWithDisks(guest, wanted));
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
