import { hasCopyMarks, names } from '@godwit/api';
import type { PersistentVolumeClaim, Pod, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { isOutdated } from '../../virt/claim-users.ts';
import { claimsOf, isFinalPod, isFinalVmi, isUnderway } from '../../virt/facts.ts';
import { storageMarks } from '../marks.ts';

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

/** The VMI that holds a claim, of those in the claim's namespace. */
export function holdingInstance<T extends VirtualMachineInstance>(
  claimName: string,
  instances: readonly T[],
): T | undefined {
  return instances.find((vmi) => !isFinalVmi(vmi) && instanceClaims(vmi).includes(claimName));
}

/** Claims that the copy of a stopped VM's volumes reads or fills. */
export function copyClaims(vm: VirtualMachine): string[] {
  return (vm.status?.offlineCopy?.volumes ?? []).flatMap(({ source, target }) => [source, target]);
}

/**
 * Whether a copy of a stopped VM's volumes needs a claim. Its source may be all there is of the data; its target may go as soon
 * as no agent is told to write to it any more.
 */
function isCopied(claim: Stored<PersistentVolumeClaim>, machines: readonly VirtualMachine[]): boolean {
  const { name } = claim.metadata;
  return machines.some((vm) =>
    (vm.status?.offlineCopy?.volumes ?? []).some(
      ({ source, target }) => source === name || (target === name && hasCopyMarks(claim)),
    ),
  );
}

/**
 * Whether a pod mounts a claim. A launcher pod keeps listing the claims it was started with; once volumes were moved in
 * place, or taken away from its guest, its VMI knows better.
 */
function mounted(
  claimName: string,
  pods: readonly Stored<Pod>[],
  instances: readonly Stored<VirtualMachineInstance>[],
): boolean {
  return pods.some((pod) => {
    if (isFinalPod(pod) || !podClaims(pod).includes(claimName)) return false;
    const owner = pod.metadata.labels?.[names.createdByLabel];
    const vmi = instances.find((one) => one.metadata.uid === owner && !isFinalVmi(one));
    return vmi === undefined || !isOutdated(pod, vmi);
  });
}

/**
 * The finalizers a claim should have, or `undefined` when they are right. `pods`, `instances` and `machines` are all of its
 * namespace. Without a VMI, pod or copy that uses it a deleted claim is let go.
 */
export function wantedFinalizers(
  claim: Stored<PersistentVolumeClaim>,
  pods: readonly Stored<Pod>[],
  instances: readonly Stored<VirtualMachineInstance>[],
  machines: readonly VirtualMachine[],
): readonly string[] | undefined {
  const { name, deletionTimestamp, finalizers: old = [] } = claim.metadata;
  const leaving = deletionTimestamp !== undefined;
  const held = holdingInstance(name, instances) !== undefined || isCopied(claim, machines);
  const guarded = old.includes(storageMarks.inUseFinalizer);
  // A claim that is being deleted takes no new finalizers.
  const inUse = held && (guarded || !leaving) ? [storageMarks.inUseFinalizer] : [];
  const protect = leaving && !held && !mounted(name, pods, instances) ? [] : [names.pvcProtectionFinalizer];
  const foreign = old.filter((one) => one !== names.pvcProtectionFinalizer && one !== storageMarks.inUseFinalizer);
  const kept = old.includes(names.pvcProtectionFinalizer) ? protect : [];
  const wanted = [...kept, ...foreign, ...inUse];
  const same = wanted.length === old.length && wanted.every((one) => old.includes(one));
  return same ? undefined : wanted;
}
