import { names } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { refersTo } from '../claims/matching.ts';
import { storageMarks } from '../marks.ts';

export interface VolumePlan {
  readonly status: NonNullable<PersistentVolume['status']>;
  /** Nothing uses a volume that is being deleted: let it go as far as we are concerned. */
  readonly removeProtection: boolean;
}

/**
 * Phase of a volume. `claim` is what its claimRef names, read from the server itself when the cache did not have it:
 * `Released` makes node agents delete bytes and must not rest on a stale copy.
 */
export function decideVolume(
  volume: Stored<PersistentVolume>,
  claim: Stored<PersistentVolumeClaim> | undefined,
): VolumePlan {
  const phase = phaseOf(volume, claim);
  const leaving = volume.metadata.deletionTimestamp !== undefined && phase !== 'Bound';
  const guarded = volume.metadata.finalizers?.includes(names.pvProtectionFinalizer) ?? false;
  const old = volume.status ?? {};
  return {
    status: phase === undefined ? old : { ...old, phase },
    removeProtection: leaving && guarded,
  };
}

type Phase = NonNullable<PersistentVolume['status']>['phase'];

function phaseOf(volume: Stored<PersistentVolume>, claim: Stored<PersistentVolumeClaim> | undefined): Phase {
  const ref = volume.spec.claimRef;
  if (!ref) return 'Available';
  if (!claim || !refersTo(ref, claim)) {
    // A claim that does not exist yet may have a volume kept for it by hand.
    return ref.uid === undefined ? 'Available' : 'Released';
  }
  if (claim.spec.volumeName === volume.metadata.name) return 'Bound';
  const taken = (claim.spec.volumeName ?? '') !== '';
  if (taken && ref.uid !== undefined) return 'Released';
  const made = volume.metadata.annotations?.[storageMarks.provisioned];
  // A volume whose bytes do not exist yet stays as the server created it.
  return made !== undefined && made !== 'true' ? volume.status?.phase : 'Available';
}
