import { isTrue, resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { namespace } from '../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../apps/cli/src/commands/demo/session.ts';
import { testFaults } from './support/fault-table.ts';
import { eventually } from './support/eventually.ts';
import type { Fault } from './support/fault.ts';
import { expectClean, instanceOf } from './support/guest.ts';
import type { GuestUnderTest } from './support/guest.ts';
import { ask } from './support/machine.ts';
import { ended, expectSoundEnd, expectSuccess, untilInside } from './support/move.ts';
import { configureMigrations } from './support/pair.ts';
import { receiverOf } from './support/receiver.ts';
import { moveToCluster } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { local } from './support/storage.ts';

const slow = { bandwidthPerMigration: '10Mi' };
const faults: Fault[] = [
  ['the target node agent', '10 %'],
  ['the API server', '10 %'],
  ['the controllers of the target', '10 %'],
  ['the source node agent', '50 %'],
  ['the target QEMU', '50 %'],
  ['the API server of the target', '50 %'],
  ['the target carrier', '50 %'],
  ['the controllers', '90 %'],
  ['the source node agent', 'the switchover'],
  ['the target node agent', 'the switchover'],
];

describe('a move to the other cluster', () => {
  const subject = useGuest(local);
  /** The VM that waits for the guest; an attempt that fails leaves it to the next one. */
  let wanted: Whereabouts;

  async function receiver(guest: GuestUnderTest): Promise<Whereabouts> {
    if (wanted === undefined || wanted === guest.at) wanted = await receiverOf(guest, local);
    return wanted;
  }

  testFaults(faults, 'CopyingDisks', subject, async (guest) => {
    return moveToCluster(guest, await receiver(guest));
  });

  it.each(['sends', 'receives'])('is cancelled by deleting the object that %s', async (side) => {
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    const move = await moveToCluster(guest, await receiver(guest));
    await untilInside(move, 'CopyingDisks');
    const at = side === 'sends' ? { cluster: move.source, name: move.name } : move.receiver;
    await at?.cluster.client.delete(resources.virtualMachineInstanceMigrations, at.name, namespace);
    expect(await expectSoundEnd(guest, move)).toBe('stayed');
  });

  it('succeeds afterwards, to the very VM that waited all the while', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { bandwidthPerMigration: '0' });
    await expectSuccess(guest, await moveToCluster(guest, await receiver(guest)));
  });

  it('takes a paused guest along, which stays paused and goes on where it was [SLM 5.3 #47]', async () => {
    const guest = subject();
    const { runners } = guest;
    const paused = runners.nextStop();
    await ask(guest, 'VMI', 'pause');
    await paused;
    const move = await moveToCluster(guest, await receiver(guest));
    const end = await ended(move.source, move.name);
    expect(end.phase, end.reason).toBe('Succeeded');
    const there = { ...guest, at: move.to };
    await eventually('the guest to be there, paused', async () => {
      const status = (await instanceOf(there, there.at))?.status;
      return status?.phase === 'Running' && isTrue(status.conditions, 'Paused');
    });
    // At most for the moment in which the target's QEMU took over its disks.
    expect(runners.intervals().filter(({ toMs }) => toMs === undefined)).toEqual([]);
    await ask(there, 'VMI', 'unpause');
    await expectSuccess(guest, move);
    const status = (await instanceOf(guest, guest.at))?.status;
    expect(isTrue(status?.conditions, 'Paused')).toBe(false);
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
