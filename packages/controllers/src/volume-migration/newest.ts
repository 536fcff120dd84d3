import { claimsMovedTo } from '@godwit/api';
import type { StorageMigratedVolumeInfo, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimsOf, isReceiver } from '../virt/facts.ts';

function destinationsOf(volumes: readonly StorageMigratedVolumeInfo[] | undefined): Record<string, string> {
  const claims: Record<string, string> = {};
  for (const { volumeName, destinationPVCInfo } of volumes ?? [])
    if (destinationPVCInfo?.claimName !== undefined) claims[volumeName] = destinationPVCInfo.claimName;
  return claims;
}

/**
 * Claim by volume that has what the guest wrote last; undefined when the VM has never run. While a copy runs that is the
 * claim from before, except for volumes that are known to be on their destination.
 */
export function newestClaims(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance | undefined,
): Record<string, string> | undefined {
  const known = vm.status?.lastVolumes;
  if (!vmi || isReceiver(vmi)) return known;
  if ((vmi.status?.migratedVolumes?.length ?? 0) === 0) return Object.fromEntries(claimsOf(vmi.spec.volumes));
  const state = vmi.status?.migrationState;
  if (state?.settledOn === 'target') return { ...known, ...destinationsOf(state?.volumes) };
  const moved = claimsMovedTo(state);
  return moved.size === 0 ? known : { ...known, ...Object.fromEntries(moved) };
}

/** `root on root-new, data on data-old`. */
export function sayWhere(
  volumes: readonly StorageMigratedVolumeInfo[],
  claimOf: (volumeName: string) => string | undefined,
): string {
  return volumes.map(({ volumeName }) => `${volumeName} on ${claimOf(volumeName) ?? 'an unknown claim'}`).join(', ');
}
