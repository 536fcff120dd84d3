import { resources } from '@godwit/api';
import type { VirtualMachine } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { namespace, storageMovePatch } from '../apps/cli/src/commands/demo/objects.ts';
import { expectClean, expectCleanDisk, expectNextBoot } from './support/guest.ts';
import { patchMachine, setRunStrategy, untilLeft } from './support/machine.ts';
import { ended, untilPercent } from './support/move.ts';
import { configureMigrations } from './support/pair.ts';
import { changeVolumes, moveToCluster, moveWithDisks } from './support/request.ts';
import { receiverOf } from './support/receiver.ts';
import { useGuest } from './support/setup.ts';
import { local } from './support/storage.ts';

/** On a VM whose guest may run in another cluster. */
const MOVED_AWAY = 'godwit.dev/moved-away';
const slow = { bandwidthPerMigration: '10Mi' };

describe('a guest that is taken away while it moves', () => {
  const subject = useGuest(local);

  it('is stopped in the middle of a node move with disks: nothing is left or lost, and it starts again [SLM 5.1 #14]', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    const move = await moveWithDisks(guest, await changeVolumes(guest, local));
    await untilPercent(move, 'CopyingDisks', 10);
    await setRunStrategy(guest, 'Halted');
    const end = await ended(move.source, move.name);
    expect(end.phase, end.reason).toBe('Failed');
    expect(end.reason).toContain('VMI');
    await untilLeft(guest, 0);
    await expectCleanDisk(guest);
    const { acknowledged } = guest.oracle.log.summary();
    await patchMachine(guest, storageMovePatch(guest.guest, guest.at.storage, guest.at.place));
    await setRunStrategy(guest, 'Always');
    await expectNextBoot(guest, acknowledged);
  });

  it('loses its VMI in the middle of a move to the other cluster: both sides end, and its VM starts it again [SLM 5.3 #44]', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    const move = await moveToCluster(guest, await receiverOf(guest, local));
    await untilPercent(move, 'CopyingDisks', 10);
    const { acknowledged } = guest.oracle.log.summary();
    const { receiver, source } = move;
    const { client } = source;
    await client.delete(resources.virtualMachineInstances, guest.guest.name, namespace);
    const ends = [await ended(move.source, move.name), receiver && (await ended(receiver.cluster, receiver.name))];
    expect(ends).toEqual([
      { phase: 'Failed', reason: expect.stringMatching(/./) },
      { phase: 'Failed', reason: expect.stringMatching(/./) },
    ]);
    // Once the source's agent has said that the guest had not left, nothing keeps the VM from it.
    await expectNextBoot(guest, acknowledged);
    const machine = await client.get<VirtualMachine>(resources.virtualMachines, guest.guest.name, namespace);
    expect(machine?.spec.runStrategy).toBe('Always');
    expect(machine?.metadata.annotations).not.toHaveProperty([MOVED_AWAY]);
    await receiver?.cluster.client.delete(resources.virtualMachines, guest.guest.name, namespace);
    await untilLeft(guest, 1);
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
