import type { DiskBacking } from '@godwit/hypervisor';
import type { DiskMove } from '../disks/mirror-in-sync.ts';

/** Which volume of a moving disk has everything that its guest was told is written. */
export type Holder = 'from' | 'to';
export type Holdings = Readonly<Record<string, Holder>>;

export function allHeldBy(disks: readonly DiskMove[], holder: Holder): Holdings {
  return Object.fromEntries(disks.map(({ name }) => [name, holder]));
}

/** What a look at QEMU proves: a disk is held by the volume that it is on. */
export function holdingsNow(disks: readonly DiskMove[], backings: readonly DiskBacking[]): Holdings {
  return Object.fromEntries(
    disks.map(({ name, to }) => [
      name,
      backings.find((one) => one.name === name)?.path === to.path ? ('to' as const) : ('from' as const),
    ]),
  );
}

export type Verdict = { readonly moved: 'all' } | { readonly moved: readonly string[] };

/**
 * How a move in place has ended when QEMU is gone: on the new volumes, on the old ones, or (the two sets cannot be told
 * apart by a single answer) with the disks named that are whole only on their new volume.
 */
export function endedWith(holdings: Holdings): Verdict {
  const disks = Object.entries(holdings);
  if (disks.every(([, holder]) => holder === 'to')) return { moved: 'all' };
  return { moved: disks.filter(([, holder]) => holder === 'to').map(([name]) => name) };
}
