import { isHotpluggable, normalDisk, notHotpluggable } from '@godwit/api';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { MachineSpec } from '@godwit/hypervisor';
import type { EventRecorder } from '@godwit/reconcile';
import { seeClaims, waitingFor } from './claims.ts';
import type { SeenClaim } from './claims.ts';
import { prepareVolume } from './disk-files.ts';
import type { DiskFilesIo } from './disk-files.ts';
import { diskSpec, shownVolumes } from './machine-spec.ts';
import type { HeldMachine } from './held-machines.ts';
import type { Machines } from './machines.ts';
import type { MachineRecords } from './record.ts';

/** What keeps a volume from coming or going. */
export interface PlugTrouble {
  readonly volume: string;
  readonly reason: string;
  readonly message: string;
}

export interface PlugPlan {
  readonly attach: readonly string[];
  readonly detach: readonly string[];
}

/**
 * Disks that the guest lacks and those that it has no longer a right to. A volume is attached only once the status names
 * it: from then on nobody can give its name to another claim before it is gone again.
 */
export function decidePlugs(
  { spec, status }: Pick<VirtualMachineInstance, 'spec' | 'status'>,
  machine: Pick<MachineSpec, 'disks'>,
  claims: readonly SeenClaim[],
  nodeName: string,
): PlugPlan {
  if (status?.phase !== 'Running') return { attach: [], detach: [] };
  const there = new Set(machine.disks.map(({ name }) => name));
  const told = new Set((status.volumeStatus ?? []).map(({ name }) => name));
  const volumes = spec.volumes ?? [];
  const attach = volumes.filter((volume) => {
    if (there.has(volume.name) || !told.has(volume.name) || !isHotpluggable(volume)) return false;
    const own = claims.filter((claim) => claim.volume === volume.name);
    return waitingFor(own, nodeName) === undefined;
  });
  const wanted = new Set(volumes.map(({ name }) => name));
  return {
    attach: attach.map(({ name }) => name),
    detach: machine.disks.flatMap(({ name }) => (wanted.has(name) ? [] : [name])),
  };
}

export interface PlugDisksIo extends DiskFilesIo {
  readonly machines: Machines;
  readonly records: MachineRecords;
  readonly events: EventRecorder;
}

/**
 * Attaches and detaches disks so that the guest has those of its VMI. What fails is told and tried again later; the guest
 * runs on. The record names the file of a disk before QEMU opens it and until QEMU has closed it.
 */
export async function plugDisks(
  io: PlugDisksIo,
  vmi: Stored<VirtualMachineInstance>,
  held: HeldMachine,
  nodeName: string,
): Promise<readonly PlugTrouble[]> {
  const { uid } = held.record.pod;
  const plan = decidePlugs(vmi, held.record.spec, seeClaims(io, vmi), nodeName);
  const troubles: PlugTrouble[] = [];
  const attempt = async (volume: string, what: 'attach' | 'detach', work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      const reason = what === 'attach' ? 'FailedAttachVolume' : 'FailedDetachVolume';
      const message = `Volume ${volume} cannot be ${what}ed: ${describeError(error)}`;
      troubles.push({ volume, reason, message });
      io.events.record(vmi, 'Warning', reason, message);
      return false;
    } finally {
      await io.machines.align(uid);
    }
  };
  for (const volume of plan.detach)
    if (await attempt(volume, 'detach', () => held.machine.detachDisk(volume)))
      io.events.record(vmi, 'Normal', 'VolumeUnplugged', `Volume ${volume} has been unplugged`);
  for (const volume of plan.attach)
    if (await attempt(volume, 'attach', () => attachOne(io, vmi, held, volume)))
      io.events.record(vmi, 'Normal', 'VolumeReady', `Successfully attach hotplugged volume ${volume} to VM`);
  return troubles;
}

async function attachOne(
  io: PlugDisksIo,
  vmi: Stored<VirtualMachineInstance>,
  held: HeldMachine,
  name: string,
): Promise<void> {
  const { uid } = held.record.pod;
  const shown = shownVolumes(vmi).find(({ volume }) => volume.name === name);
  if (!shown) throw new GodwitError('MACHINE_UNSUPPORTED', 'it is not in the spec');
  const shownDisk = normalDisk(shown.disk);
  const why = notHotpluggable(shownDisk);
  if (why !== undefined) throw new GodwitError('MACHINE_UNSUPPORTED', why);
  const { backing, sizeBytes } = await prepareVolume(vmi, name, io.records.directoryOf(uid), io);
  await io.machines.update(uid, { backings: [...held.record.backings, backing] });
  await held.machine.attachDisk(diskSpec(shownDisk, shown.volume, sizeBytes), backing);
}
