import { isFinalMigration, kindOf } from '../virt/facts.ts';
import { kubeVirtOf, launcherPods } from '../virt/caches.ts';
import { effectiveConfiguration, inboundLimit } from './configuration.ts';
import { targetReadiness } from './cross-cluster.ts';
import { lostGuest, notEligible } from './eligible.ts';
import { observeMigration, targetPodOf, vmiKeyOf } from './observe.ts';
import type { MigrationCaches } from './observe.ts';
import { admit } from './queue.ts';
import type { Admission, QueueEntry } from './queue.ts';
import { readiness } from './readiness.ts';
import type { Migration, MigrationTimeouts } from './seen.ts';

const BEYOND_PENDING: readonly (string | undefined)[] = [
  'Scheduling',
  'Scheduled',
  'PreparingTarget',
  'TargetReady',
  'Running',
];
/** Caches show what was begun with a slot much sooner than this; if they do not, nothing was begun. */
const RESERVATION_MS = 30_000;
/** How long one look at whether a waiting migration could start serves the questions of others. */
const LOOK_HOLDS_MS = 1_000;

/** Hands out the slots of one cluster. Deciding and reserving is one synchronous step, so no slot is given twice. */
export interface Slots {
  ask(migration: Migration, nowMs: number): Admission;
  /**
   * Gives back a slot with which nothing could be begun, and for `asideMs` lets others go first: whoever tries again and again
   * to no avail would keep everybody waiting.
   */
  release(migration: Migration, nowMs: number, asideMs: number): void;
}

type Look = Pick<QueueEntry, 'eligible' | 'candidates'>;

export function createSlots(caches: MigrationCaches, timeouts: MigrationTimeouts): Slots {
  /** Admitted a moment ago, with the node it is expected on; phase or pod may not show in the caches yet. */
  const reserved = new Map<string, { readonly target: string | undefined; readonly untilMs: number }>();
  const looks = new Map<string, Look & { readonly atMs: number }>();
  const asideUntilMs = new Map<string, number>();

  function look(migration: Migration, nowMs: number): Look {
    if (migration.status?.phase !== 'Pending' || migration.metadata.deletionTimestamp !== undefined)
      return { eligible: false };
    const seen = observeMigration(caches, migration, () => ({ admitted: true }), timeouts);
    const { vmi } = seen;
    if (!vmi || lostGuest(seen)) return { eligible: false };
    const kind = kindOf(migration);
    // The source of a move between clusters needs a place over there, which that cluster looks for.
    if (kind === 'source') return { eligible: notEligible(seen, vmi, nowMs) === undefined };
    const ready = kind === 'target' ? targetReadiness(seen, vmi, nowMs) : readiness(seen, vmi, nowMs);
    if (ready.held) return { eligible: false };
    return { eligible: true, ...(ready.method === 'OtherNode' ? { candidates: ready.candidates } : {}) };
  }

  function entryOf(migration: Migration, asking: boolean, nowMs: number): QueueEntry {
    const { uid, name, namespace = '', creationTimestamp } = migration.metadata;
    const phase = migration.status?.phase;
    const kind = kindOf(migration);
    const vmi = caches.instances.get(vmiKeyOf(migration));
    const pod = vmi ? targetPodOf(launcherPods(caches, vmi), migration) : undefined;
    // In Scheduling the source only waits for a place that the target cluster has to find.
    const underway = BEYOND_PENDING.includes(phase) && !(kind === 'source' && phase === 'Scheduling');
    const running = underway || pod !== undefined || reserved.has(uid);
    const entry = {
      uid,
      name,
      namespace,
      createdAt: creationTimestamp,
      priority: migration.spec.priority,
      node: kind === 'target' ? '' : (vmi?.status?.nodeName ?? ''),
      running,
    };
    const target = pod?.spec.nodeName ?? reserved.get(uid)?.target;
    if (running) return { ...entry, eligible: false, ...(target === undefined ? {} : { target }) };
    let known = looks.get(uid);
    if (!known || asking || nowMs - known.atMs >= LOOK_HOLDS_MS || nowMs < known.atMs) {
      known = { ...look(migration, nowMs), atMs: nowMs };
      looks.set(uid, known);
    }
    const aside = !asking && nowMs < (asideUntilMs.get(uid) ?? 0);
    return {
      ...entry,
      eligible: known.eligible && !aside,
      ...(known.candidates ? { candidates: known.candidates } : {}),
    };
  }

  function forget(unfinished: readonly Migration[], nowMs: number): void {
    const alive = new Map(unfinished.map((one) => [one.metadata.uid, one]));
    for (const [uid, { untilMs }] of reserved)
      if (alive.get(uid)?.status?.phase !== 'Pending' || nowMs >= untilMs) reserved.delete(uid);
    for (const uid of asideUntilMs.keys()) if (!alive.has(uid)) asideUntilMs.delete(uid);
    for (const uid of looks.keys()) if (alive.get(uid)?.status?.phase !== 'Pending') looks.delete(uid);
  }

  return {
    ask(migration, nowMs) {
      const { uid } = migration.metadata;
      const unfinished = caches.migrations.list().filter((one) => !isFinalMigration(one));
      forget(unfinished, nowMs);
      const kubeVirt = kubeVirtOf(caches);
      const configuration = effectiveConfiguration(kubeVirt, undefined);
      const answer = admit(
        uid,
        unfinished.map((one) => entryOf(one, one.metadata.uid === uid, nowMs)),
        {
          perCluster: configuration.parallelMigrationsPerCluster ?? 5,
          outboundPerNode: configuration.parallelOutboundMigrationsPerNode ?? 2,
          inboundPerNode: inboundLimit(kubeVirt),
        },
        nowMs,
      );
      if (answer.admitted)
        reserved.set(uid, { target: answer.target ?? reserved.get(uid)?.target, untilMs: nowMs + RESERVATION_MS });
      return answer;
    },
    release({ metadata: { uid } }, nowMs, asideMs) {
      reserved.delete(uid);
      asideUntilMs.set(uid, nowMs + asideMs);
    },
  };
}
