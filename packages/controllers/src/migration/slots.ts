import { isFinalMigration, kindOf } from '../virt/facts.ts';
import { kubeVirtOf, launcherPods } from '../virt/caches.ts';
import { effectiveConfiguration } from './configuration.ts';
import { observeMigration, targetPodOf, vmiKeyOf } from './observe.ts';
import type { MigrationCaches } from './observe.ts';
import { lostGuest, notEligible } from './pending.ts';
import { admit } from './queue.ts';
import type { Admission, QueueEntry } from './queue.ts';
import type { Migration, MigrationTimeouts } from './seen.ts';

const BEYOND_PENDING: readonly (string | undefined)[] = [
  'Scheduling',
  'Scheduled',
  'PreparingTarget',
  'TargetReady',
  'Running',
];

/** Hands out the slots of one cluster. Deciding and reserving is one synchronous step, so no slot is given twice. */
export interface Slots {
  ask(migration: Migration, nowMs: number): Admission;
}

export function createSlots(caches: MigrationCaches, timeouts: MigrationTimeouts): Slots {
  /** Admitted a moment ago; their phase or pod may not show in the caches yet. */
  const reserved = new Set<string>();

  function entryOf(migration: Migration, nowMs: number): QueueEntry {
    const { uid, name, creationTimestamp } = migration.metadata;
    const phase = migration.status?.phase;
    const kind = kindOf(migration);
    const vmi = caches.instances.get(vmiKeyOf(migration));
    const pod = vmi ? targetPodOf(launcherPods(caches, vmi), migration) : undefined;
    // In Scheduling the source only waits for a place that the target cluster has to find.
    const underway = BEYOND_PENDING.includes(phase) && !(kind === 'source' && phase === 'Scheduling');
    const running = underway || pod !== undefined || reserved.has(uid);
    const seen = observeMigration(caches, migration, () => ({ admitted: true }), timeouts);
    const ready = phase === 'Pending' && migration.metadata.deletionTimestamp === undefined && !lostGuest(seen);
    const held = ready && vmi && kind !== 'target' ? notEligible(seen, vmi, nowMs) : undefined;
    return {
      uid,
      name,
      createdAt: creationTimestamp,
      priority: migration.spec.priority,
      node: kind === 'target' ? '' : (vmi?.status?.nodeName ?? ''),
      running,
      eligible: ready && !held,
    };
  }

  return {
    ask(migration, nowMs) {
      const unfinished = caches.migrations.list().filter((one) => !isFinalMigration(one));
      for (const uid of reserved) {
        const known = unfinished.find((one) => one.metadata.uid === uid);
        if (!known || known.status?.phase !== 'Pending') reserved.delete(uid);
      }
      const configuration = effectiveConfiguration(kubeVirtOf(caches), undefined);
      const answer = admit(
        migration.metadata.uid,
        unfinished.map((one) => entryOf(one, nowMs)),
        {
          perCluster: configuration.parallelMigrationsPerCluster ?? 5,
          outboundPerNode: configuration.parallelOutboundMigrationsPerNode ?? 2,
        },
      );
      if (answer.admitted) reserved.add(migration.metadata.uid);
      return answer;
    },
  };
}
