import { claimsMovedTo } from '@godwit/api';
import type { StorageMigratedVolumeInfo, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimsOf, isReceiver } from '../virt/facts.ts';

/**
 * Claim by volume that has what the guest wrote last; undefined when the VM has never run. While a copy runs that is the
 * claim from before, except for volumes that a move in place has left on their destination.
 */
export function newestClaims(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance | undefined,
): Record<string, string> | undefined {
  const known = vm.status?.lastVolumes;
  if (!vmi || isReceiver(vmi)) return known;
  if ((vmi.status?.migratedVolumes?.length ?? 0) === 0) return Object.fromEntries(claimsOf(vmi.spec.volumes));
  const moved = claimsMovedTo(vmi.status?.migrationState);
  return moved.size === 0 ? known : { ...known, ...Object.fromEntries(moved) };
}

/** `root on root-new, data on data-old`. */
export function sayWhere(
  volumes: readonly StorageMigratedVolumeInfo[],
  claimOf: (volumeName: string) => string | undefined,
): string {
  return volumes.map(({ volumeName }) => `${volumeName} on ${claimOf(volumeName) ?? 'an unknown claim'}`).join(', ');
}
