import { claimsMovedTo, findCondition } from '@godwit/api';
import type { StorageMigratedVolumeInfo, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimOf, claimsOf, isUnderway } from '../virt/facts.ts';
import { checkVolumes, describeMoves } from './checks.ts';
import type { ChangedVolume } from './checks.ts';
import { sayWhere } from './newest.ts';
import { withVolumesOf } from './with-volumes.ts';
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

/** Every volume is back at its source, or accepted where a move has left it. */
function namesWayBack(
  vm: VirtualMachine,
  list: readonly StorageMigratedVolumeInfo[],
  moved: ReadonlySet<string>,
): boolean {
  const claims = claimsOf(vm.spec.template.spec.volumes);
  return list.every(({ volumeName, sourcePVCInfo, destinationPVCInfo }) => {
    const claim = claims.get(volumeName);
    return claim === sourcePVCInfo?.claimName || (moved.has(volumeName) && claim === destinationPVCInfo?.claimName);
  });
}

/**
 * Back to where the data is. Volumes that are on their destination stay there for now: the VMI then says so, and what the
 * VM wants of them is a new move, which copies them back.
 */
function decideRevert(input: VolumeUpdateInput, announced: readonly StorageMigratedVolumeInfo[]): VolumeUpdate {
  const { vm, vmi, activeMigrations } = input;
  const state = vmi.status?.migrationState;
  // A copy that runs must have ended before its list goes away: it could hand over to a half-written disk.
  if (activeMigrations.length > 0 || (isUnderway(state) && state?.startTimestamp !== undefined))
    return { do: 'stop-migrations', migrations: activeMigrations };
  const moved = claimsMovedTo(state);
  const back = announced.filter(({ volumeName }) => moved.has(volumeName));
  if (back.length > 0 && vm.spec.updateVolumesStrategy !== 'Migration') {
    return {
      do: 'refuse',
      message: `The move has left ${sayWhere(back, (volume) => moved.get(volume))}, and the claims from before are out of date. Name the new claims to finish the move, or set updateVolumesStrategy to Migration to have these volumes copied back`,
    };
  }
  const rest = announced.filter(({ volumeName }) => !moved.has(volumeName));
  return { do: 'revert', volumes: withVolumesOf(vm, vmi, new Set(rest.map(({ volumeName }) => volumeName))) };
}

/** An announced change: go on with it, or go back. Nothing else is possible half-way. */
function decideAnnounced(input: VolumeUpdateInput, announced: readonly StorageMigratedVolumeInfo[]): VolumeUpdate {
  const { vm, vmi } = input;
  const volumeNames = new Set(announced.map((entry) => entry.volumeName));
  const others = changedVolumes(vm, vmi).filter(({ name }) => !volumeNames.has(name));
  const claims = claimsOf(vm.spec.template.spec.volumes);
  const onward = announced.every((entry) => claims.get(entry.volumeName) === entry.destinationPVCInfo?.claimName);
  if (onward && others.length === 0) {
    const repoint = changedVolumes(vm, vmi).length > 0;
    if (repoint) return { do: 'repoint', volumes: withVolumesOf(vm, vmi, volumeNames) };
    // Set back and forth again before anything came of it: the change is wanted once more.
    const cancelled = findCondition(vmi.status?.conditions, 'VolumesChange')?.reason === cancelledReason;
    return cancelled && input.activeMigrations.length === 0 ? { do: 'drop-stale-condition' } : { do: 'nothing' };
  }
  if (namesWayBack(vm, announced, new Set(claimsMovedTo(vmi.status?.migrationState).keys())) && others.length === 0)
    return decideRevert(input, announced);
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
  if (finding?.verdict === 'restart') {
    const { reason, message, known } = finding;
    return { do: 'require-restart', reason, message, ...(known === undefined ? {} : { known }) };
  }
  if (finding) {
    const { reason, message, expand } = finding;
    return { do: 'hold', reason, message, ...(expand ? { expand } : {}) };
  }
  return { do: 'announce', volumes: describeMoves(input, changed) };
}
