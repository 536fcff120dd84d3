import type { Acceleration } from './contract/hypervisor.ts';

/** QEMU rounds RAM up to this. */
const GRANULE_KIB = 8;
/** A RAM block of a multiple of this takes the dirty-bitmap path that is broken under TCG. */
const FAST_PATH_KIB = 256;

/**
 * RAM size to give a guest that asked for `bytes`.
 * QEMU before 9.0 under TCG corrupts guest memory during live migration when RAM is a multiple of 256 KiB: its dirty
 * bitmap fast path forgets to reset the TCG TLB (fixed by "physmem: Fix migration dirty bitmap coherency with TCG
 * memory access"). There the guest gets 8 KiB more.
 */
export function guestMemoryKiB(
  bytes: number,
  acceleration: Acceleration,
  qemuVersion: { readonly major: number },
): number {
  const rounded = Math.ceil(bytes / 1024 / GRANULE_KIB) * GRANULE_KIB;
  return hasTcgMigrationDefect(rounded, acceleration, qemuVersion) ? rounded + GRANULE_KIB : rounded;
}

/** True when a live migration of this guest may corrupt its memory, see `guestMemoryKiB`. */
export function hasTcgMigrationDefect(
  memoryKiB: number,
  acceleration: Acceleration,
  qemuVersion: { readonly major: number },
): boolean {
  const asQemuRounds = Math.ceil(memoryKiB / GRANULE_KIB) * GRANULE_KIB;
  return acceleration === 'tcg' && qemuVersion.major < 9 && asQemuRounds % FAST_PATH_KIB === 0;
}
