import type { DiskBacking, MirrorProgress } from '@godwit/hypervisor';
import type { DiskMove } from './mirror-in-sync.ts';

/** Which volume of a moving disk has everything that its guest was told is written. */
export type Holder = 'from' | 'to' | 'both';
export type Holdings = Readonly<Record<string, Holder>>;

export function allHeldBy(disks: readonly DiskMove[], holder: Holder): Holdings {
  return Object.fromEntries(disks.map(({ name }) => [name, holder]));
}

/**
 * What a look at QEMU proves: a disk is held by the volume it is on, and by both while its mirror is in sync. Without
 * `mirrors` they do not count, as when they are about to be cancelled.
 */
export function holdingsNow(
  disks: readonly DiskMove[],
  backings: readonly DiskBacking[],
  mirrors: readonly MirrorProgress[],
): Holdings {
  return Object.fromEntries(
    disks.map(({ name, to }) => {
      if (backings.find((one) => one.name === name)?.path === to.path) return [name, 'to'];
      const mirror = mirrors.find((one) => one.disk === name);
      const inSync = mirror?.ready === true && mirror.error === undefined && !mirror.nospace;
      return [name, inSync ? 'both' : 'from'];
    }),
  );
}

export type Verdict = { readonly moved: 'all' } | { readonly moved: readonly string[] };

/**
 * How a move in place has ended when QEMU is gone: on the new volumes, on the old ones, or (the two sets cannot be told
 * apart by a single answer) with the disks named that are whole only on their new volume.
 */
export function endedWith(holdings: Holdings): Verdict {
  const disks = Object.entries(holdings);
  if (disks.every(([, holder]) => holder !== 'from')) return { moved: 'all' };
  return { moved: disks.filter(([, holder]) => holder === 'to').map(([name]) => name) };
}
