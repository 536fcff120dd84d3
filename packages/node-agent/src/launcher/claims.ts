import { copyMarks, hasCopyMarks, isPopulated, names } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim, Stored, VirtualMachineInstance, Volume } from '@godwit/api';
import type { Cache } from '@godwit/reconcile';
import { isReachable, locateVolume } from '../volumes/location.ts';
import type { Pools, VolumeLocation } from '../volumes/location.ts';
import { volumeMarks } from '../volumes/names.ts';
import { imageSizeBytes } from '../volumes/provision.ts';

/** The claim a VMI volume stands for; a DataVolume's claim has the DataVolume's name. */
export function claimNameOf(volume: Volume): string | undefined {
  return volume.persistentVolumeClaim?.claimName ?? volume.dataVolume?.name;
}

export interface SeenClaim {
  /** The VMI's name for it. */
  readonly volume: string;
  readonly claimName: string;
  readonly pvc: Stored<PersistentVolumeClaim> | undefined;
  readonly pv: Stored<PersistentVolume> | undefined;
}

export interface ClaimCaches {
  readonly claims: Cache<PersistentVolumeClaim>;
  readonly volumes: Cache<PersistentVolume>;
}

export function seeClaim(caches: ClaimCaches, namespace: string, volume: string, claimName: string): SeenClaim {
  const pvc = caches.claims.get({ namespace, name: claimName });
  const pv = pvc?.spec.volumeName ? caches.volumes.get({ namespace: '', name: pvc.spec.volumeName }) : undefined;
  return { volume, claimName, pvc, pv };
}

export function seeClaims(caches: ClaimCaches, vmi: Stored<VirtualMachineInstance>): readonly SeenClaim[] {
  return (vmi.spec.volumes ?? []).flatMap((volume) => {
    const claimName = claimNameOf(volume);
    return claimName === undefined ? [] : [seeClaim(caches, vmi.metadata.namespace ?? '', volume.name, claimName)];
  });
}

export interface Waiting {
  readonly reason: string;
  readonly message: string;
}

type ClaimCheck = (seen: SeenClaim, nodeName: string) => Waiting | undefined;

/** In this order, the first that speaks is what the pod waits for. */
const claimChecks: readonly ClaimCheck[] = [
  ({ pvc, claimName }) =>
    pvc === undefined ? { reason: 'ClaimNotFound', message: `claim "${claimName}" does not exist` } : undefined,
  ({ pvc, claimName }) =>
    pvc?.metadata.deletionTimestamp === undefined
      ? undefined
      : { reason: 'ClaimDeleted', message: `claim "${claimName}" is being deleted` },
  ({ pvc, claimName }) =>
    pvc?.status?.phase === 'Bound'
      ? undefined
      : { reason: 'ClaimNotBound', message: `claim "${claimName}" is not bound to a volume yet` },
  ({ pv, claimName }) => {
    if (pv === undefined)
      return { reason: 'VolumeNotFound', message: `the volume of claim "${claimName}" is not there` };
    const error = pv.metadata.annotations?.[volumeMarks.provisionError];
    if (error !== undefined) return { reason: 'VolumeNotProvisioned', message: `claim "${claimName}": ${error}` };
    return pv.metadata.annotations?.[volumeMarks.provisioned] === 'true'
      ? undefined
      : { reason: 'VolumeNotProvisioned', message: `the volume of claim "${claimName}" is being created` };
  },
  ({ pv, claimName }, nodeName) =>
    pv !== undefined && isReachable(pv, nodeName)
      ? undefined
      : { reason: 'VolumeNotReachable', message: `the volume of claim "${claimName}" is on another node` },
  ({ pvc, claimName }) => {
    if (pvc === undefined || !hasCopyMarks(pvc)) return undefined;
    const source = pvc.metadata.annotations?.[copyMarks.source] ?? 'another claim';
    return { reason: 'ClaimBeingCopied', message: `claim "${claimName}" is being copied to from "${source}"` };
  },
  ({ pvc, claimName }) => {
    if (pvc === undefined || isPopulated(pvc)) return undefined;
    const marks = pvc.metadata.annotations ?? {};
    const progress = marks[names.populationProgressAnnotation];
    const why = marks[names.populationMessageAnnotation];
    const detail = [progress, why].filter((text) => text !== undefined).join(', ');
    return {
      reason: 'ClaimNotPopulated',
      message: `claim "${claimName}" is still being filled${detail === '' ? '' : ` (${detail})`}`,
    };
  },
];

/** What stands between this node and these claims; `undefined` when all can be used. */
export function waitingFor(claims: readonly SeenClaim[], nodeName: string): Waiting | undefined {
  for (const claim of claims)
    for (const check of claimChecks) {
      const waiting = check(claim, nodeName);
      if (waiting) return waiting;
    }
  return undefined;
}

export interface UsableClaim extends VolumeLocation {
  readonly sizeBytes: number;
}

/** The image file of a claim; undefined when it has no volume inside the pools. */
export function imageOf({ pv }: SeenClaim, pools: Pools): string | undefined {
  try {
    return pv && locateVolume(pv, pools).image;
  } catch {
    // A volume outside the pools is none of ours.
    return undefined;
  }
}

/** Where a claim's image is and how big it should be. Throws when the claim has no volume inside the pools. */
export function locateClaim({ pvc, pv }: SeenClaim, pools: Pools): UsableClaim | undefined {
  if (!pvc || !pv) return undefined;
  const location = locateVolume(pv, pools);
  const request = pvc.spec.resources?.requests?.storage;
  return { ...location, sizeBytes: imageSizeBytes(location.mode, pv.spec.capacity.storage, request) };
}
