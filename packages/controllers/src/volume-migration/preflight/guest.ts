import { findCondition, isFalse } from '@godwit/api';
import { isExclusiveAccess, isSharedAccess } from '../../virt/facts.ts';
import { machineOf } from './finding.ts';
import type { Preflight } from './finding.ts';

/** The guest itself cannot leave its node, whatever the volumes; which it need not when they change under it. */
export const migratable: Preflight = (input, changed) => {
  if (changed.every(({ to }) => input.reachableInPlace(to))) return [];
  const conditions = input.vmi.status?.conditions;
  if (!isFalse(conditions, 'StorageLiveMigratable')) return [];
  return [
    {
      verdict: 'restart',
      reason: 'GuestNotMigratable',
      object: `VirtualMachineInstance ${input.vmi.metadata.name}`,
      field: 'status.conditions[StorageLiveMigratable]',
      problem: findCondition(conditions, 'StorageLiveMigratable')?.message ?? 'the guest is not migratable',
      remedy:
        'Name claims that the present node can reach, restart the VM to use the new volumes, or remove what blocks the guest',
    },
  ];
};

/** What the guest does not have yet cannot be copied; once it has it, it can. */
export const attached: Preflight = ({ vmi }, changed) =>
  changed.flatMap(({ name }) => {
    const status = vmi.status?.volumeStatus?.find((one) => one.name === name);
    if (status?.hotplugVolume === undefined || status.phase === 'Ready') return [];
    return [
      {
        verdict: 'hold' as const,
        reason: 'VolumeNotAttached',
        object: `VirtualMachineInstance ${vmi.metadata.name}`,
        field: `status.volumeStatus[${name}].phase`,
        problem: `the guest does not have volume ${name} yet (it is ${status.phase ?? 'Pending'}: ${status.message ?? 'no reason is known'})`,
        remedy: 'Wait until it is Ready, or remove the volume and add it with the new claim',
      },
    ];
  });

function leftBehind(volume: string): string {
  return `cannot migrate the VM. The volume ${volume} is RWO and not included in the migration volumes`;
}

/** A claim that only the present node can use must move along, unless the guest stays on its node anyway. */
export const siblings: Preflight = (input, changed) => {
  if (changed.every(({ to }) => input.reachableInPlace(to))) return [];
  const moved = new Set(changed.map(({ name }) => name));
  const stuck = (input.vmi.status?.volumeStatus ?? []).filter(
    ({ name, persistentVolumeClaimInfo: info }) => info && !moved.has(name) && !isSharedAccess(info.accessModes),
  );
  if (stuck.length === 0) return [];
  const list = stuck.map(
    ({ name, persistentVolumeClaimInfo: info }) =>
      `${name} (${isExclusiveAccess(info?.accessModes) ? 'ReadWriteOnce' : 'ReadOnlyMany'})`,
  );
  const exclusive = stuck.find(({ persistentVolumeClaimInfo: info }) => isExclusiveAccess(info?.accessModes));
  return [
    {
      verdict: 'restart',
      reason: 'VolumesLeftBehind',
      object: machineOf(input),
      field: 'spec.template.spec.volumes',
      ...(exclusive ? { known: leftBehind(exclusive.name) } : {}),
      problem: `invalid volumes to update with migration: ${list.join(', ')} must move along because only one node can use them`,
      remedy: 'Name new claims for these volumes in the same update, or new claims that the present node can reach',
    },
  ];
};
