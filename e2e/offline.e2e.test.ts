import { isTrue, resources } from '@godwit/api';
import type { VirtualMachine } from '@godwit/api';
import { verifyOracleDisk } from '@godwit/guest';
import { describe, expect, it } from 'vitest';
import { locateDisk } from '../apps/cli/src/commands/demo/locate-disk.ts';
import { namespace, storageMovePatch, volumeName } from '../apps/cli/src/commands/demo/objects.ts';
import { eventually } from './support/eventually.ts';
import { expectCleanDisk, expectNextBoot, instanceOf } from './support/guest.ts';
import type { GuestUnderTest } from './support/guest.ts';
import { ended, sourcePodOf, untilPercent } from './support/move.ts';
import { configureMigrations } from './support/pair.ts';
import { aimAtQemu } from './support/processes.ts';
import { changeVolumes, moveWithDisks, withdrawChange } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { local, shared } from './support/storage.ts';

async function patchMachine({ guest, at }: GuestUnderTest, patch: object): Promise<void> {
  await at.cluster.client.patch(resources.virtualMachines, guest.name, namespace, { type: 'merge', patch });
}

async function machineOf({ guest, at }: GuestUnderTest): Promise<VirtualMachine | undefined> {
  return at.cluster.client.get<VirtualMachine>(resources.virtualMachines, guest.name, namespace);
}

describe('a guest that does not run while its volumes change', () => {
  const subject = useGuest(local);

  it('[SLM 6.5.12] has them copied while it is stopped, and boots from them with everything it wrote', async () => {
    const guest = subject();
    const { client, name } = guest.at.cluster;
    await patchMachine(guest, { spec: { runStrategy: 'Halted' } });
    await eventually('the guest to be off', async () => (await instanceOf(guest, guest.at)) === undefined);
    const { acknowledged } = guest.oracle.log.summary();
    guest.newestPlace += 1;
    const place = guest.newestPlace;
    await patchMachine(guest, storageMovePatch(guest.guest, shared, place));
    await eventually('the copy to be complete', async () => {
      const { lastVolumes, offlineCopy } = (await machineOf(guest))?.status ?? {};
      return lastVolumes?.['data'] === volumeName(guest.guest, 'data', place) && offlineCopy === undefined;
    });
    const disk = await locateDisk(client, guest.pair.layout, name, volumeName(guest.guest, 'data', place));
    const verdict = await verifyOracleDisk(disk, guest.oracle.runId, acknowledged);
    expect(verdict).toMatchObject({ lost: 0, corrupt: 0, faults: [] });
    guest.at = { ...guest.at, storage: shared, place };
    await patchMachine(guest, { spec: { runStrategy: 'Always' } });
    await expectNextBoot(guest, acknowledged);
    expect((await instanceOf(guest, guest.at))?.spec.volumes?.[0]?.dataVolume?.name).toBe(
      volumeName(guest.guest, 'root', place),
    );
  });

  it('[SLM 6.5.5] comes back by itself on the right disks when its QEMU is killed in the middle of a copy', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, { bandwidthPerMigration: '10Mi' });
    const wanted = await changeVolumes(guest, local);
    const before = await instanceOf(guest, guest.at);
    const move = await moveWithDisks(guest, wanted);
    await untilPercent(move, 'CopyingDisks', 10);
    const { cluster, node, uid } = await sourcePodOf(guest, move);
    const strike = await aimAtQemu(guest.pair.layout, cluster, node, uid);
    strike();
    const { acknowledged } = guest.oracle.log.summary();
    expect((await ended(move.source, move.name)).phase).toBe('Failed');
    await eventually('another VMI', async () => {
      const vmi = await instanceOf(guest, guest.at);
      return vmi !== undefined && vmi.metadata.uid !== before?.metadata.uid;
    });
    await expectNextBoot(guest, acknowledged);
    const machine = await machineOf(guest);
    expect(isTrue(machine?.status?.conditions, 'ManualRecoveryRequired')).toBe(false);
    expect(machine?.status?.lastVolumes?.['data']).toBe(volumeName(guest.guest, 'data', guest.at.place));
    await withdrawChange(guest, wanted);
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectCleanDisk(subject());
  });
});
