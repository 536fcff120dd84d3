import { keyOf, names, resources } from '@godwit/api';
import type { KubeObject, Namespace, ObjectKey, VirtualMachineInstanceMigration } from '@godwit/api';
import type { Controller } from '../context.ts';
import { migrationsOf, virtCaches } from '../virt/caches.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { carryOutMigration } from './carry-out.ts';
import type { MigrationPolicy } from './configuration.ts';
import { decideMigration } from './decide.ts';
import { observeMigration } from './observe.ts';
import type { MigrationCaches } from './observe.ts';
import { defaultTimeouts } from './seen.ts';
import type { MigrationTimeouts } from './seen.ts';
import { createSlots } from './slots.ts';

function vmiOfPod(pod: KubeObject): ObjectKey[] {
  const name = pod.metadata.annotations?.[names.domainAnnotation];
  return name === undefined ? [] : [{ namespace: pod.metadata.namespace ?? '', name }];
}

/** Drives VirtualMachineInstanceMigrations. `timeouts` replace the defaults one by one. */
export function createMigrationController(timeouts: Partial<MigrationTimeouts> = {}): Controller {
  return {
    name: 'migration',
    setUp(context) {
      const limits: MigrationTimeouts = { ...defaultTimeouts, ...timeouts };
      const caches: MigrationCaches = {
        ...virtCaches(context.manager),
        policies: context.manager.cache<MigrationPolicy>(resources.migrationPolicies),
        namespaces: context.manager.cache<Namespace>(resources.namespaces),
      };
      const slots = createSlots(caches, limits);
      const ofVmi = (key: ObjectKey): ObjectKey[] => migrationsOf(caches, key).map(keyOf);
      /** A migration that ends frees a slot for those that wait. */
      const wokenBy = (object: KubeObject): ObjectKey[] => {
        const migration = object as VirtualMachineInstanceMigration;
        if (!isFinalMigration(migration)) return [keyOf(object)];
        const waiting = caches.migrations.list().filter((one) => one.status?.phase === 'Pending');
        return [keyOf(object), ...waiting.map(keyOf)];
      };
      const ofClaim = (claim: KubeObject): ObjectKey[] =>
        caches.instances
          .byIndex('claim', `${claim.metadata.namespace ?? ''}/${claim.metadata.name ?? ''}`)
          .flatMap((vmi) => ofVmi(keyOf(vmi)));
      context.manager.add({
        name: 'migration',
        concurrency: 4,
        watches: [
          { resource: resources.virtualMachineInstanceMigrations, toKeys: wokenBy },
          { resource: resources.virtualMachineInstances, toKeys: (vmi) => ofVmi(keyOf(vmi)) },
          { resource: resources.pods, toKeys: (pod) => vmiOfPod(pod).flatMap(ofVmi) },
          { resource: resources.persistentVolumeClaims, toKeys: ofClaim },
          {
            resource: resources.kubeVirts,
            toKeys: () =>
              caches.migrations
                .list()
                .filter((one) => !isFinalMigration(one))
                .map(keyOf),
          },
        ],
        async reconcile(key) {
          const migration = caches.migrations.get(key);
          if (!migration) return undefined;
          const nowMs = context.clock.now();
          const seen = observeMigration(caches, migration, () => slots.ask(migration, nowMs), limits);
          const plan = decideMigration(seen, nowMs);
          await carryOutMigration(context, seen, plan);
          return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
        },
      });
    },
  };
}
