import { findCondition } from '@godwit/api';
import type { StorageMigratedVolumeInfo, VirtualMachine, VirtualMachineInstance, Volume } from '@godwit/api';
import { claimOf, claimsOf } from '../virt/facts.ts';
import { checkVolumes, describeMoves } from './checks.ts';
import type { ChangedVolume } from './checks.ts';
import type { VolumeUpdate, VolumeUpdateInput } from './types.ts';

/** Reason of `VolumesChange=False` once the user has gone back; clients know it by this name. */
export const cancelledReason = 'VolumesChangeCancellation';

/** Volumes present on both sides whose claim differs. */
export function changedVolumes(vm: VirtualMachine, vmi: VirtualMachineInstance): ChangedVolume[] {
  const running = claimsOf(vmi.spec.volumes);
  return (vm.spec.template.spec.volumes ?? []).flatMap((volume) => {
    const to = claimOf(volume);
    const from = running.get(volume.name);
    if (to === undefined || from === undefined || to === from) return [];
    return [{ name: volume.name, from, to, toDataVolume: volume.dataVolume !== undefined }];
  });
}

/** The VMI's volumes with those named taken from the VM. */
export function withVolumesOf(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance,
  volumeNames: ReadonlySet<string>,
): Volume[] {
  const wanted = new Map((vm.spec.template.spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return (vmi.spec.volumes ?? []).map((volume) =>
    volumeNames.has(volume.name) ? (wanted.get(volume.name) ?? volume) : volume,
  );
}

function matches(
  vm: VirtualMachine,
  list: readonly StorageMigratedVolumeInfo[],
  side: 'sourcePVCInfo' | 'destinationPVCInfo',
): boolean {
  const claims = claimsOf(vm.spec.template.spec.volumes);
  return list.every((entry) => claims.get(entry.volumeName) === entry[side]?.claimName);
}

/** An announced change: go on with it, or go back. Nothing else is possible half-way. */
function decideAnnounced(input: VolumeUpdateInput, announced: readonly StorageMigratedVolumeInfo[]): VolumeUpdate {
  const { vm, vmi, activeMigrations } = input;
  const volumeNames = new Set(announced.map((entry) => entry.volumeName));
  const others = changedVolumes(vm, vmi).filter(({ name }) => !volumeNames.has(name));
  if (matches(vm, announced, 'destinationPVCInfo') && others.length === 0) {
    const repoint = changedVolumes(vm, vmi).length > 0;
    return repoint ? { do: 'repoint', volumes: withVolumesOf(vm, vmi, volumeNames) } : { do: 'nothing' };
  }
  if (matches(vm, announced, 'sourcePVCInfo') && others.length === 0) {
    // A copy that runs must have ended before its list goes away: it could hand over to a half-written disk.
    if (activeMigrations.length > 0) return { do: 'stop-migrations', migrations: activeMigrations };
    return { do: 'revert', volumes: withVolumesOf(vm, vmi, volumeNames) };
  }
  const sources = announced.map((entry) => `${entry.volumeName} to ${entry.sourcePVCInfo?.claimName ?? 'its source'}`);
  return {
    do: 'refuse',
    message: `A volume migration is under way; volumes can only be set back to the previous set: ${sources.join(', ')}`,
  };
}

/** What the VM's volumes ask of the running VMI, and the next step there. */
export function decideVolumeUpdate(input: VolumeUpdateInput): VolumeUpdate {
  const { vm, vmi } = input;
  const announced = vmi.status?.migratedVolumes ?? [];
  if (announced.length > 0) return decideAnnounced(input, announced);
  const strategy = vm.spec.updateVolumesStrategy ?? '';
  if (strategy !== '' && strategy !== 'Replacement' && strategy !== 'Migration') {
    return { do: 'refuse', message: `updateVolumesStrategy "${strategy}" is neither Migration nor Replacement` };
  }
  const changed = changedVolumes(vm, vmi);
  const condition = findCondition(vmi.status?.conditions, 'VolumesChange');
  if (changed.length === 0 || strategy !== 'Migration') {
    const stale = condition?.status === 'False' && condition.reason !== cancelledReason;
    return stale ? { do: 'drop-stale-condition' } : { do: 'nothing' };
  }
  if (input.activeMigrations.length > 0) {
    const name = input.activeMigrations[0]?.metadata.name ?? '';
    return { do: 'hold', reason: 'MigrationInProgress', message: `Waits for migration ${name} to end` };
  }
  const finding = checkVolumes(input, changed);
  if (finding?.verdict === 'restart') return { do: 'require-restart', message: finding.message };
  if (finding) return { do: 'hold', reason: finding.reason, message: finding.message };
  return { do: 'announce', volumes: describeMoves(input, changed) };
}
