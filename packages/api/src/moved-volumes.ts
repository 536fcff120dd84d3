import type { VirtualMachine, VmiMigrationState } from './kubevirt-kinds.ts';

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

/** Claims that copies of a VM's volumes were begun to, done with or not: they may have a part of the data only. */
export function begunCopies({ status }: Pick<VirtualMachine, 'status'>): readonly string[] {
  const live = status?.volumeUpdateState?.volumeMigrationState?.migratedVolumes ?? [];
  const offline = status?.offlineCopy?.volumes ?? [];
  return [
    ...new Set([
      ...(status?.unfinishedCopies ?? []),
      ...live.flatMap(({ destinationPVCInfo }) => destinationPVCInfo?.claimName ?? []),
      ...offline.map(({ target }) => target),
    ]),
  ];
}
