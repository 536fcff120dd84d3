/** One unfinished migration as the queue sees it. */
export interface QueueEntry {
  readonly uid: string;
  readonly name: string;
  readonly createdAt: string;
  readonly priority: 'system-critical' | 'user-triggered' | 'system-maintenance' | undefined;
  /** Node the guest leaves; empty for guests that arrive from elsewhere. */
  readonly node: string;
  /** Holds a slot already. */
  readonly running: boolean;
  /** Would start at once if it had a slot. */
  readonly eligible: boolean;
}

export interface QueueLimits {
  readonly perCluster: number;
  readonly outboundPerNode: number;
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly reason: 'ClusterLimitReached' | 'NodeLimitReached'; readonly message: string };

const WEIGHTS = { 'system-critical': 100, 'user-triggered': 50, 'system-maintenance': 20 } as const;

export function weightOf(priority: QueueEntry['priority']): number {
  return priority === undefined ? 0 : WEIGHTS[priority];
}

function byRank(a: QueueEntry, b: QueueEntry): number {
  return (
    weightOf(b.priority) - weightOf(a.priority) ||
    (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0) ||
    (a.uid < b.uid ? -1 : 1)
  );
}

/**
 * Whether the migration may start now. Heavier priorities go first, then older ones; an entry held up by its node's
 * limit does not hold up others behind it.
 */
export function admit(uid: string, entries: readonly QueueEntry[], limits: QueueLimits): Admission {
  const running = entries.filter((entry) => entry.running);
  const waiting = entries.filter((entry) => !entry.running && entry.eligible).toSorted(byRank);
  let free = limits.perCluster - running.length;
  const outbound = new Map<string, number>();
  for (const { node } of running) outbound.set(node, (outbound.get(node) ?? 0) + 1);
  for (const [index, entry] of waiting.entries()) {
    const place = `place ${index + 1} of ${waiting.length} in the queue`;
    const leaving = outbound.get(entry.node) ?? 0;
    const nodeFull = entry.node !== '' && leaving >= limits.outboundPerNode;
    if (entry.uid === uid) {
      if (free <= 0) {
        return {
          admitted: false,
          reason: 'ClusterLimitReached',
          message: `${limits.perCluster} migrations run in this cluster already, which is the limit; ${place}`,
        };
      }
      if (nodeFull) {
        return {
          admitted: false,
          reason: 'NodeLimitReached',
          message: `${leaving} migrations leave node ${entry.node} already, which is the limit; ${place}`,
        };
      }
      return { admitted: true };
    }
    if (nodeFull || free <= 0) continue;
    free -= 1;
    outbound.set(entry.node, leaving + 1);
  }
  return { admitted: true };
}
