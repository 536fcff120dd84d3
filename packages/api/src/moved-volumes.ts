import type { VmiMigrationState } from './kubevirt/migration-state.ts';
import type { VirtualMachine } from './kubevirt/virtual-machine.ts';

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

/**
 * Claims that copies of a VM's volumes were begun to, and whose data are still where they were: they may have a part of the
 * data only. The records of copies outlive them; once a volume's data are elsewhere, a copy from the place before is no part.
 */
export function begunCopies({ status }: Pick<VirtualMachine, 'status'>): readonly string[] {
  const live = (status?.volumeUpdateState?.volumeMigrationState?.migratedVolumes ?? []).map((volume) => ({
    volumeName: volume.volumeName,
    source: volume.sourcePVCInfo?.claimName,
    target: volume.destinationPVCInfo?.claimName,
  }));
  const begun = [...live, ...(status?.offlineCopy?.volumes ?? [])].filter(({ volumeName, source }) => {
    const last = status?.lastVolumes?.[volumeName];
    return last === undefined || source === undefined || last === source;
  });
  return [...new Set([...(status?.unfinishedCopies ?? []), ...begun.flatMap(({ target }) => target ?? [])])];
}
