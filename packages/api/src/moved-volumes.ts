import type { VmiMigrationState } from './kubevirt-kinds.ts';

/**
 * Volume name to claim, for volumes that a move which did not succeed has left on their destination: what the guest
 * wrote last is there, and the source claim is stale.
 */
export function claimsMovedTo(state: VmiMigrationState | undefined): ReadonlyMap<string, string> {
  const moved = new Set(state?.movedVolumes);
  const claims = new Map<string, string>();
  for (const { volumeName, destinationPVCInfo } of state?.volumes ?? []) {
    const claim = destinationPVCInfo?.claimName;
    if (claim !== undefined && moved.has(volumeName)) claims.set(volumeName, claim);
  }
  return claims;
}
