import type { Disk, StorageMigratedVolumeInfo, VirtualMachineInstance } from '@godwit/api';
import { findCondition, isFalse } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { claimInfo, isExclusiveAccess, isSharedAccess, usableBytes } from '../virt/facts.ts';
import type { VolumeUpdateInput } from './types.ts';

/** A volume whose claim differs between the VM's template and the running VMI. */
export interface ChangedVolume {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly toDataVolume: boolean;
}

export type Finding =
  | { readonly verdict: 'hold'; readonly reason: string; readonly message: string }
  | { readonly verdict: 'restart'; readonly message: string };

function diskOf(vmi: VirtualMachineInstance, name: string): Disk | undefined {
  return vmi.spec.domain.devices.disks?.find((disk) => disk.name === name);
}

function isFilesystem(vmi: VirtualMachineInstance, name: string): boolean {
  return (vmi.spec.domain.devices.filesystems ?? []).some((one) => isObject(one) && one['name'] === name);
}

const KINDS: readonly {
  readonly group: string;
  readonly applies: (vmi: VirtualMachineInstance, name: string) => boolean;
}[] = [
  { group: 'filesystems', applies: isFilesystem },
  { group: 'shareable disks', applies: (vmi, name) => diskOf(vmi, name)?.shareable === true },
  { group: 'luns', applies: (vmi, name) => diskOf(vmi, name)?.lun !== undefined },
  // Upstream accepts these two and never copies them.
  { group: 'CD-ROMs', applies: (vmi, name) => diskOf(vmi, name)?.cdrom !== undefined },
  { group: 'read-only disks', applies: (vmi, name) => diskOf(vmi, name)?.disk?.readonly === true },
];

/** Volumes of kinds that cannot be copied, and targets that an import could still overwrite. */
function unsupportedKinds(input: VolumeUpdateInput, changed: readonly ChangedVolume[]): Finding | undefined {
  const groups = KINDS.flatMap(({ group, applies }) => {
    const hit = changed.filter(({ name }) => applies(input.vmi, name)).map(({ name }) => name);
    return hit.length > 0 ? [`${group}: ${hit.join(', ')}`] : [];
  });
  const overwritten = changed.filter(({ to, toDataVolume }) => {
    const dataVolume = toDataVolume ? input.dataVolume(to) : undefined;
    if (!dataVolume || dataVolume.status?.phase === 'Succeeded') return false;
    return dataVolume.spec.source?.blank === undefined && input.pvc(to)?.spec.dataSourceRef === undefined;
  });
  if (overwritten.length > 0) {
    groups.push(`DataVolumes still to be filled by an import: ${overwritten.map(({ to }) => to).join(', ')}`);
  }
  return groups.length === 0
    ? undefined
    : { verdict: 'restart', message: `These volumes cannot be moved while the guest runs: ${groups.join('; ')}` };
}

function missingTargets(input: VolumeUpdateInput, changed: readonly ChangedVolume[]): Finding | undefined {
  for (const { name, to, toDataVolume } of changed) {
    if (toDataVolume && !input.dataVolume(to) && !input.pvc(to)) {
      return {
        verdict: 'hold',
        reason: 'TargetNotFound',
        message: `DataVolume ${to} of volume ${name} does not exist yet`,
      };
    }
    if (!input.pvc(to)) {
      return { verdict: 'hold', reason: 'TargetNotFound', message: `PVC ${to} of volume ${name} does not exist yet` };
    }
    if (input.pvc(to)?.metadata.deletionTimestamp !== undefined) {
      return { verdict: 'hold', reason: 'TargetNotFound', message: `PVC ${to} of volume ${name} is being deleted` };
    }
  }
  return undefined;
}

function smallTargets(input: VolumeUpdateInput, changed: readonly ChangedVolume[]): Finding | undefined {
  for (const { name, from, to } of changed) {
    const known = input.vmi.status?.volumeStatus?.find((status) => status.name === name)?.size;
    const needed = known ?? usableBytes(claimInfo(from, input.pvc(from)));
    const offered = usableBytes(claimInfo(to, input.pvc(to)));
    if (needed === undefined || offered === undefined || offered >= needed) continue;
    return {
      verdict: 'hold',
      reason: 'TargetTooSmall',
      message: `PVC ${to} of volume ${name} offers ${offered} bytes, the guest's disk has ${needed}`,
    };
  }
  return undefined;
}

function notMigratable(input: VolumeUpdateInput): Finding | undefined {
  const conditions = input.vmi.status?.conditions;
  if (!isFalse(conditions, 'StorageLiveMigratable')) return undefined;
  return {
    verdict: 'restart',
    message: findCondition(conditions, 'StorageLiveMigratable')?.message ?? 'The guest is not migratable',
  };
}

/** A claim that only the present node can use must move along, unless the guest stays on its node anyway. */
function leftBehind(input: VolumeUpdateInput, changed: readonly ChangedVolume[]): Finding | undefined {
  if (changed.every(({ to }) => input.reachableInPlace(to))) return undefined;
  const moved = new Set(changed.map(({ name }) => name));
  const stuck = (input.vmi.status?.volumeStatus ?? []).filter(
    ({ name, persistentVolumeClaimInfo: info }) => info && !moved.has(name) && !isSharedAccess(info.accessModes),
  );
  if (stuck.length === 0) return undefined;
  const list = stuck.map(
    ({ name, persistentVolumeClaimInfo: info }) =>
      `${name} (${isExclusiveAccess(info?.accessModes) ? 'ReadWriteOnce' : 'ReadOnlyMany'})`,
  );
  return {
    verdict: 'restart',
    message: `invalid volumes to update with migration: ${list.join(', ')} must move along because only one node can use them`,
  };
}

/** The first thing that keeps these volumes from being moved now. Order: can never be, must wait, must not be. */
export function checkVolumes(input: VolumeUpdateInput, changed: readonly ChangedVolume[]): Finding | undefined {
  return (
    unsupportedKinds(input, changed) ??
    missingTargets(input, changed) ??
    smallTargets(input, changed) ??
    notMigratable(input) ??
    leftBehind(input, changed)
  );
}

export function describeMoves(
  input: VolumeUpdateInput,
  changed: readonly ChangedVolume[],
): StorageMigratedVolumeInfo[] {
  return changed.map(({ name, from, to }) => ({
    volumeName: name,
    sourcePVCInfo: claimInfo(from, input.pvc(from)),
    destinationPVCInfo: claimInfo(to, input.pvc(to)),
  }));
}
