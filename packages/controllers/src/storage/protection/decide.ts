import { names } from '@godwit/api';
import type { Pod, Stored, VirtualMachineInstance } from '@godwit/api';
import { claimsOf, isFinalPod, isFinalVmi, isUnderway } from '../../virt/facts.ts';

/** Claims that a pod mounts. */
export function podClaims(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) =>
    volume.persistentVolumeClaim ? [volume.persistentVolumeClaim.claimName] : [],
  );
}

/** Claims that a VMI holds: those of its spec, those its guest has open, and both ends of a copy in progress. */
export function instanceClaims(vmi: VirtualMachineInstance): string[] {
  const status = vmi.status ?? {};
  const moving = [
    ...(status.migratedVolumes ?? []),
    ...(isUnderway(status.migrationState) ? (status.migrationState?.volumes ?? []) : []),
  ];
  const open = (status.volumeStatus ?? []).map((volume) => volume.persistentVolumeClaimInfo?.claimName);
  const ends = moving.flatMap((volume) => [volume.sourcePVCInfo?.claimName, volume.destinationPVCInfo?.claimName]);
  const all = [...claimsOf(vmi.spec.volumes).values(), ...open, ...ends];
  return [...new Set(all.filter((claim) => claim !== undefined && claim !== ''))] as string[];
}

/**
 * Who still uses a claim, as text for an operator; `undefined` when nobody does. `pods` and `instances` are those of
 * the claim's namespace. A launcher pod keeps listing the claims it was started with; once volumes were moved in place
 * its VMI knows better.
 */
export function claimUser(
  claimName: string,
  pods: readonly Stored<Pod>[],
  instances: readonly Stored<VirtualMachineInstance>[],
): string | undefined {
  const running = instances.filter((vmi) => !isFinalVmi(vmi));
  const vmi = running.find((one) => instanceClaims(one).includes(claimName));
  if (vmi) return `VirtualMachineInstance ${vmi.metadata.name}`;
  const pod = pods.find((one) => {
    if (isFinalPod(one) || !podClaims(one).includes(claimName)) return false;
    const owner = one.metadata.labels?.[names.createdByLabel];
    const known = running.find((candidate) => candidate.metadata.uid === owner);
    const movedInPlace =
      known?.status?.migrationState?.method === 'InPlace' && !isUnderway(known.status.migrationState);
    return !movedInPlace;
  });
  return pod ? `Pod ${pod.metadata.name}` : undefined;
}
