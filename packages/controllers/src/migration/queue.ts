import { names } from '@godwit/api';

/** One unfinished migration as the queue sees it. */
export interface QueueEntry {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly createdAt: string;
  readonly priority: 'system-critical' | 'user-triggered' | 'system-maintenance' | undefined;
  /** Node the guest leaves; empty for guests that arrive from elsewhere. */
  readonly node: string;
  /** Holds a slot already. */
  readonly running: boolean;
  /** Would start at once if it had a slot. */
  readonly eligible: boolean;
  /** Node the guest moves to, once that is known; empty for a move in place, which takes nothing in. */
  readonly target?: string;
  /** Nodes that could take the guest in; absent when it needs none. */
  readonly candidates?: readonly string[];
}

export interface QueueLimits {
  readonly perCluster: number;
  readonly outboundPerNode: number;
  /** Guests that one node takes in at a time; absent means without limit. */
  readonly inboundPerNode?: number;
}

export type Refusal = 'ClusterLimitReached' | 'NodeLimitReached' | 'TargetNodeLimitReached' | 'NotInQueue';

export type Admission =
  /** `target`: the candidate that the queue reckons with. */
  | { readonly admitted: true; readonly target?: string }
  | { readonly admitted: false; readonly reason: Refusal; readonly message: string };

const WEIGHTS = { 'system-critical': 100, 'user-triggered': 50, 'system-maintenance': 20 } as const;
const LEVELS: readonly number[] = [50, 20, 0];
const MINUTE_MS = 60_000;

export function weightOf(priority: QueueEntry['priority']): number {
  return priority === undefined ? 0 : WEIGHTS[priority];
}

/**
 * The priority that counts: each minute of waiting adds one to the weight, and whoever has gathered the weight of a
 * higher level waits among those of that level. Only `system-critical` (a node is to be emptied) is never reached.
 */
export function levelOf(entry: Pick<QueueEntry, 'priority' | 'createdAt'>, nowMs: number): number {
  const weight = weightOf(entry.priority);
  if (weight >= WEIGHTS['system-critical']) return weight;
  const minutes = Math.max(0, Math.floor((nowMs - Date.parse(entry.createdAt)) / MINUTE_MS)) || 0;
  return LEVELS.find((level) => level <= weight + minutes) ?? 0;
}

/** Of the same second, which is all that is known, in an order that can be seen: by name. */
function byAge(a: QueueEntry, b: QueueEntry): number {
  return compare(a.createdAt, b.createdAt) || compare(a.name, b.name) || compare(a.uid, b.uid);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The order of those that wait: level first; within a level namespaces take turns, counting what they have running;
 * within a namespace the oldest.
 */
export function ranked(entries: readonly QueueEntry[], nowMs: number): QueueEntry[] {
  const taken = new Map<string, number>();
  for (const { running, namespace } of entries) if (running) taken.set(namespace, (taken.get(namespace) ?? 0) + 1);
  const waiting = entries
    .filter((entry) => !entry.running && entry.eligible)
    .map((entry) => ({ entry, level: levelOf(entry, nowMs), turn: 0 }))
    .toSorted((a, b) => b.level - a.level || byAge(a.entry, b.entry));
  for (const one of waiting) {
    one.turn = taken.get(one.entry.namespace) ?? 0;
    taken.set(one.entry.namespace, one.turn + 1);
  }
  return waiting
    .toSorted((a, b) => b.level - a.level || a.turn - b.turn || byAge(a.entry, b.entry))
    .map(({ entry }) => entry);
}

function fieldOf(limit: string): string {
  return `spec.configuration.migrations.${limit} of the KubeVirt object`;
}

interface Load {
  free: number;
  readonly outbound: Map<string, number>;
  readonly inbound: Map<string, number>;
}

const add = (counts: Map<string, number>, node: string): void => void counts.set(node, (counts.get(node) ?? 0) + 1);

function loadOf(entries: readonly QueueEntry[], limits: QueueLimits): Load {
  const load: Load = { free: limits.perCluster, outbound: new Map(), inbound: new Map() };
  for (const { running, node, target } of entries) {
    if (!running) continue;
    load.free -= 1;
    if (node !== '') add(load.outbound, node);
    if (target !== undefined && target !== '') add(load.inbound, target);
  }
  return load;
}

/** The candidate with most room, so that a guest that fits everywhere leaves the narrow nodes to others. */
function roomiest(entry: QueueEntry, load: Load, limits: QueueLimits): string | undefined {
  const { inboundPerNode = Infinity } = limits;
  return (entry.candidates ?? [])
    .filter((node) => (load.inbound.get(node) ?? 0) < inboundPerNode)
    .toSorted((a, b) => (load.inbound.get(a) ?? 0) - (load.inbound.get(b) ?? 0))[0];
}

function obstacle(
  entry: QueueEntry,
  load: Load,
  limits: QueueLimits,
): { reason: Refusal; message: string } | undefined {
  if (load.free <= 0)
    return {
      reason: 'ClusterLimitReached',
      message: `${limits.perCluster} migrations run in this cluster already, which is the limit (${fieldOf('parallelMigrationsPerCluster')})`,
    };
  const leaving = load.outbound.get(entry.node) ?? 0;
  if (entry.node !== '' && leaving >= limits.outboundPerNode)
    return {
      reason: 'NodeLimitReached',
      message: `${leaving} migrations leave node ${entry.node} already, which is the limit (${fieldOf('parallelOutboundMigrationsPerNode')})`,
    };
  const { candidates = [] } = entry;
  if (candidates.length > 0 && roomiest(entry, load, limits) === undefined)
    return {
      reason: 'TargetNodeLimitReached',
      message: `${candidates.join(', ')}: every node that could take the guest in takes in ${limits.inboundPerNode ?? 0} already, which is the limit (annotation ${names.inboundLimitAnnotation} of the KubeVirt object)`,
    };
  return undefined;
}

/** Whether the migration may start now. An entry held up by a node's limit does not hold up others behind it. */
export function admit(uid: string, entries: readonly QueueEntry[], limits: QueueLimits, nowMs: number): Admission {
  if (entries.some((entry) => entry.uid === uid && entry.running)) return { admitted: true };
  const load = loadOf(entries, limits);
  const waiting = ranked(entries, nowMs);
  for (const [index, entry] of waiting.entries()) {
    const held = obstacle(entry, load, limits);
    if (entry.uid === uid) {
      const target = roomiest(entry, load, limits);
      if (!held) return { admitted: true, ...(target === undefined ? {} : { target }) };
      const place = `place ${index + 1} of ${waiting.length} in the queue`;
      return { admitted: false, reason: held.reason, message: `${held.message}; ${place}` };
    }
    if (held) continue;
    load.free -= 1;
    if (entry.node !== '') add(load.outbound, entry.node);
    const target = roomiest(entry, load, limits);
    if (target !== undefined) add(load.inbound, target);
  }
  return { admitted: false, reason: 'NotInQueue', message: 'Waits to be seen in the queue' };
}
