import { quantityBytes, readQuantity } from '@godwit/core/quantity';
import { names } from '@godwit/api';
import type { AccessMode, LabelSelector, PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { compareText } from '@godwit/core/compare-text';
import { selectorMatches } from '../../scheduling/label-selector.ts';

export function requestedBytes(claim: PersistentVolumeClaim): number {
  const request = claim.spec.resources?.requests?.storage;
  return request === undefined ? 0 : quantityBytes(request);
}

/** A capacity of before quantities were checked may be none: such a volume serves nobody. */
function capacityBytes({ spec }: PersistentVolume): number {
  return readQuantity(spec.capacity.storage) ?? 0;
}

/** Whether `ref` (a PV's claimRef) means this claim; a ref without uid was written by a human before the claim existed. */
export function refersTo(ref: PersistentVolume['spec']['claimRef'], claim: PersistentVolumeClaim): boolean {
  return (
    ref !== undefined &&
    ref.name === claim.metadata.name &&
    ref.namespace === claim.metadata.namespace &&
    (ref.uid === undefined || ref.uid === '' || ref.uid === claim.metadata.uid)
  );
}

/** Why a volume cannot serve a claim, or `undefined` when it can. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if ((volume.spec.volumeMode ?? 'Filesystem') !== (claim.spec.volumeMode ?? 'Filesystem')) return 'volumeMode differs';
  const missing = (claim.spec.accessModes ?? []).filter((mode: AccessMode) => !volume.spec.accessModes.includes(mode));
  if (missing.length > 0) return `access mode ${missing.join(', ')} is not offered`;
  if ((volume.spec.storageClassName ?? '') !== (claim.spec.storageClassName ?? '')) return 'storageClassName differs';
  if (capacityBytes(volume) < requestedBytes(claim)) return 'it is too small';
  return undefined;
}

/** Whether a node may use the volume, by the hostname terms of its affinity. */
export function usableOn(volume: PersistentVolume, hostname: string): boolean {
  const terms = volume.spec.nodeAffinity?.required.nodeSelectorTerms;
  if (!terms || terms.length === 0) return true;
  return terms.some((term) =>
    term.matchExpressions.every(
      ({ key, operator, values }) => key !== names.hostnameLabel || operator !== 'In' || values.includes(hostname),
    ),
  );
}

/** The smallest free volume that serves the claim (on `hostname`, if given). */
export function bestMatch(
  claim: PersistentVolumeClaim,
  available: readonly Stored<PersistentVolume>[],
  hostname?: string,
): Stored<PersistentVolume> | undefined {
  // The cast is safe: claims pass the server's validation, where `selector` is a LabelSelector.
  const selector = claim.spec.selector as LabelSelector | undefined;
  return available
    .filter((volume) => volume.spec.claimRef === undefined && volume.metadata.deletionTimestamp === undefined)
    .filter((volume) => mismatch(volume, claim) === undefined)
    .filter((volume) => selector === undefined || selectorMatches(selector, volume.metadata.labels ?? {}))
    .filter((volume) => hostname === undefined || usableOn(volume, hostname))
    .toSorted((a, b) => capacityBytes(a) - capacityBytes(b) || compareText(a.metadata.name, b.metadata.name))[0];
}
