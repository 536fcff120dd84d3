/**
 * How one limit is shared by everything that a move sends at the same time. Synchronous mirrors' copies of what the guest
 * writes are not bound by it: they bind the guest.
 */
export interface BandwidthUse {
  readonly phase: 'disks' | 'memory';
  /** Mirrors still copying, and those in sync, which copy what the guest writes. */
  readonly copying: number;
  readonly inSync: number;
  /** What the guest writes to the disks in sync. */
  readonly dirtyBytesPerSecond?: number;
}

/** Bytes per second; for each mirror of its kind. */
export interface BandwidthShare {
  readonly copying: number;
  readonly inSync: number;
  readonly memory: number;
}

/** What mirrors in sync get beside something else: twice what the guest writes, between these. */
const LEAST_SHARE = 0.1;
const MOST_SHARE = 0.5;
/** A mirror with less than this would hardly move. */
const LEAST_BYTES = 65_536;

export function shareBandwidth(limit: number, use: BandwidthUse): BandwidthShare {
  const { phase, dirtyBytesPerSecond = 0 } = use;
  // All are in sync when memory is sent, or were a moment ago.
  const copying = phase === 'memory' ? 0 : use.copying;
  const inSync = use.copying + use.inSync - copying;
  const isAlone = phase === 'disks' && copying === 0;
  const wanted = Math.min(limit * MOST_SHARE, Math.max(limit * LEAST_SHARE, dirtyBytesPerSecond * 2));
  const following = inSync === 0 ? 0 : isAlone ? limit : wanted;
  const rest = limit - following;
  const follows = each(following, inSync);
  const copies = phase === 'memory' ? follows : each(rest, copying);
  return {
    copying: use.copying === 0 ? 0 : copies,
    inSync: use.inSync === 0 ? 0 : follows,
    memory: phase === 'memory' ? Math.max(LEAST_BYTES, Math.floor(rest)) : 0,
  };
}

function each(bytes: number, count: number): number {
  return count === 0 ? 0 : Math.max(LEAST_BYTES, Math.floor(bytes / count));
}
