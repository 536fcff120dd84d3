import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import type { EventRecorder } from '@godwit/reconcile';
import { fileSize } from '../host/files.ts';
import { seeOpenClaims } from '../vmi/open-claims.ts';
import { growImage } from '../volumes/provision.ts';
import type { Pools } from '../volumes/location.ts';
import { locateClaim } from './claims.ts';
import type { ClaimCaches } from './claims.ts';
import { decideGrowth } from './disk-growth.ts';
import type { Growth } from './disk-growth.ts';
import type { HeldMachine } from './held-machines.ts';
import type { Machines } from './machines.ts';

export interface GrowDisksIo extends ClaimCaches {
  readonly pools: Pools;
  readonly machines: Machines;
  readonly events: EventRecorder;
}

/**
 * Shows the guest the sizes that its claims have got. First the image, then QEMU, then the record: a crash in between only
 * makes the next pass do it again. What fails is told as an event and tried again later; the guest runs on.
 */
export async function growDisks(
  io: GrowDisksIo,
  vmi: Stored<VirtualMachineInstance>,
  held: HeldMachine,
): Promise<void> {
  const { spec, backings } = held.record;
  const open = seeOpenClaims(io, vmi, backings);
  const wanted = decideGrowth({ vmi, spec, backings, open, locate: (claim) => locateClaim(claim, io.pools) });
  for (const growth of wanted) {
    try {
      await growOne(io, held, growth);
      const message = `Disk ${growth.disk} has ${growth.toBytes} bytes now, as PVC ${growth.claimName} allows`;
      io.events.record(vmi, 'Normal', 'DiskExpanded', message);
    } catch (error) {
      const message = `Disk ${growth.disk} cannot be expanded to ${growth.toBytes} bytes: ${describeError(error)}`;
      io.events.record(vmi, 'Warning', 'DiskExpansionFailed', message);
    }
  }
}

async function growOne(io: GrowDisksIo, held: HeldMachine, { disk, location, toBytes }: Growth): Promise<void> {
  const has = (await fileSize(location.image)) ?? 0;
  if (has < toBytes && location.mode === 'Filesystem') await growImage(location);
  await held.machine.resizeDisk(disk, toBytes);
  const { spec, pod } = held.record;
  const disks = spec.disks.map((one) => (one.name === disk ? { ...one, sizeBytes: toBytes } : one));
  await io.machines.update(pod.uid, { spec: { ...spec, disks } });
}
