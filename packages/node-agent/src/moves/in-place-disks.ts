import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { locateClaim, seeClaim } from '../launcher/claims.ts';
import { claimFile } from '../launcher/disk-files.ts';
import type { DiskFilesIo } from '../launcher/disk-files.ts';
import type { HeldMachine } from '../launcher/held-machines.ts';
import type { InPlaceOptions } from '../migration/types.ts';
import { movedVolumes } from './identity.ts';

export interface InPlaceDisks {
  readonly disks: InPlaceOptions['disks'];
  /** Volumes that an earlier attempt has left on their destination: nothing is left to do for them. */
  readonly onTarget: readonly string[];
}

/** Where each moving disk is and where it goes. Throws `MOVE_UNSUPPORTED`, with numbers, for what cannot work. */
export async function inPlaceDisks(
  vmi: Stored<VirtualMachineInstance>,
  held: Pick<HeldMachine, 'record'>,
  io: DiskFilesIo,
): Promise<InPlaceDisks> {
  const refuse = (volume: string, why: string): GodwitError<'MOVE_UNSUPPORTED'> =>
    new GodwitError('MOVE_UNSUPPORTED', `volume ${volume}: ${why}`);
  const disks: InPlaceOptions['disks'][number][] = [];
  const onTarget: string[] = [];
  for (const { volumeName, destinationPVCInfo } of movedVolumes(vmi)) {
    const disk = held.record.spec.disks.find((one) => one.name === volumeName);
    const from = held.record.backings.find((one) => one.name === volumeName);
    const claimName = destinationPVCInfo?.claimName;
    if (!disk || !from || claimName === undefined) throw refuse(volumeName, 'the guest has no such disk');
    if (disk.readOnly) throw refuse(volumeName, 'it is shown to the guest read-only and cannot be copied');
    const claim = locateClaim(seeClaim(io, vmi.metadata.namespace ?? '', volumeName, claimName), io.pools);
    if (!claim) throw refuse(volumeName, `claim "${claimName}" has no volume`);
    const { backing: to, sizeBytes } = await claimFile(volumeName, claim, false, disk.sizeBytes);
    if (to.path === from.path) {
      onTarget.push(volumeName);
      continue;
    }
    if (sizeBytes < disk.sizeBytes)
      throw refuse(volumeName, `target has ${sizeBytes} bytes, ${disk.sizeBytes} are needed`);
    disks.push({ name: volumeName, sizeBytes: disk.sizeBytes, from, to });
  }
  if (disks.length + onTarget.length === 0) throw refuse('(none)', 'no volume is to be moved');
  return { disks, onTarget };
}
