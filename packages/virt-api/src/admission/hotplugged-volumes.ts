import type { Disk, VirtualMachineInstance, Volume } from '@godwit/api';
import { claimOf, isHotpluggable, leavingVolumes, normalDisk, notHotpluggable } from '@godwit/api';
import type { FieldProblem } from '../refuse.ts';

function diskOf({ spec }: VirtualMachineInstance, name: string): Disk | undefined {
  return spec.domain.devices.disks?.find((disk) => disk.name === name);
}

function problemsOfNew(vmi: VirtualMachineInstance, old: VirtualMachineInstance, volume: Volume): FieldProblem[] {
  const { name } = volume;
  const field = `spec.volumes[${name}]`;
  if (leavingVolumes(old).includes(name))
    return [{ field, message: 'the guest is still losing the volume of that name; add it once it is gone' }];
  const disk = diskOf(vmi, name);
  if (!disk) return [{ field, message: 'needs a disk of that name in spec.domain.devices.disks' }];
  const why = notHotpluggable(normalDisk(disk));
  if (why !== undefined) return [{ field: `spec.domain.devices.disks[${name}]`, message: why }];
  const claim = claimOf(volume);
  const twin = vmi.spec.volumes?.find((other) => other.name !== name && claimOf(other) === claim);
  if (twin) return [{ field, message: `claim "${claim ?? ''}" is used by volume ${twin.name} already` }];
  return [];
}

function problemsOfOld(old: VirtualMachineInstance, { name }: Volume): FieldProblem[] {
  const disk = diskOf(old, name);
  const why = disk && notHotpluggable(normalDisk(disk));
  return why === undefined ? [] : [{ field: `spec.domain.devices.disks[${name}]`, message: why }];
}

/**
 * What is wrong with volumes of a VMI that come or go: only claims that are marked for it may, on a bus that takes them, and
 * not while a migration needs both ends to have the same.
 */
export function volumeProblems(vmi: VirtualMachineInstance, old: VirtualMachineInstance): FieldProblem[] {
  const before = new Set((old.spec.volumes ?? []).map(({ name }) => name));
  const after = new Set((vmi.spec.volumes ?? []).map(({ name }) => name));
  const added = (vmi.spec.volumes ?? []).filter(({ name }) => !before.has(name));
  const removed = (old.spec.volumes ?? []).filter(({ name }) => !after.has(name));
  if (added.length + removed.length === 0) return [];
  if (![...added, ...removed].every(isHotpluggable))
    return [{ field: 'spec.volumes', message: 'the number of permanent volumes must not change' }];
  const state = old.status?.migrationState;
  const moving = state?.migrationUid !== undefined && state.completed !== true && state.failed !== true;
  if (moving || (old.status?.migratedVolumes ?? []).length > 0)
    return [{ field: 'spec.volumes', message: 'volumes cannot come or go while the guest or its volumes are moved' }];
  return [
    ...added.flatMap((volume) => problemsOfNew(vmi, old, volume)),
    ...removed.flatMap((volume) => problemsOfOld(old, volume)),
  ];
}
