import { keyOf, names, resources } from '@godwit/api';
import type { KubeObject, Namespace, ObjectKey, PersistentVolume, Stored } from '@godwit/api';
import type { Controller } from '../context.ts';
import { migrationsOf, virtCaches } from '../virt/caches.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { carryOutMigration } from './carry-out.ts';
import type { MigrationPolicy } from './configuration.ts';
import { decideMigration } from './decide.ts';
import { observeMigration, vmiKeyOf } from './observe.ts';
import type { MigrationCaches } from './observe.ts';
import { defaultTimeouts } from './seen.ts';
import type { Migration, MigrationTimeouts } from './seen.ts';
import { createSlots } from './slots.ts';

/** How many of those that wait learn at once that their place has moved; the others look again within seconds. */
const PLACES_TOLD = 32;

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
      const queued = (): Migration[] => caches.migrations.list().filter((one) => one.status?.phase === 'Pending');
      const inQueue = new Set<string>();
      /** A migration that ends frees a slot for those that wait; one that joins or leaves them moves their places. */
      const wokenBy = (object: Stored<KubeObject>): ObjectKey[] => {
        const migration = object as Migration;
        const { uid } = migration.metadata;
        const final = isFinalMigration(migration);
        const waits = migration.status?.phase === 'Pending';
        const moved = waits !== inQueue.has(uid);
        if (waits) inQueue.add(uid);
        else inQueue.delete(uid);
        if (final) return [keyOf(object), ...queued().map(keyOf)];
        return moved ? [keyOf(object), ...queued().slice(0, PLACES_TOLD).map(keyOf)] : [keyOf(object)];
      };
      /** Those that wait for a node, and those whose guest is on its way from or to this one. */
      const ofNode = (node: KubeObject): ObjectKey[] =>
        caches.migrations
          .list()
          .filter((one) => {
            if (isFinalMigration(one)) return false;
            if (one.status?.phase === 'Pending') return true;
            const state = caches.instances.get(vmiKeyOf(one))?.status?.migrationState;
            return state?.sourceNode === node.metadata.name || state?.targetNode === node.metadata.name;
          })
          .map(keyOf);
      const ofClaim = (claim: KubeObject): ObjectKey[] =>
        caches.instances
          .byIndex('claim', `${claim.metadata.namespace ?? ''}/${claim.metadata.name ?? ''}`)
          .flatMap((vmi) => ofVmi(keyOf(vmi)));
      const ofVolume = (volume: KubeObject): ObjectKey[] => {
        const { claimRef } = (volume as PersistentVolume).spec;
        return claimRef
          ? caches.instances
              .byIndex('claim', `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}`)
              .flatMap((vmi) => ofVmi(keyOf(vmi)))
          : [];
      };
      context.manager.add({
        name: 'migration',
        concurrency: 4,
        watches: [
          { resource: resources.virtualMachineInstanceMigrations, toKeys: wokenBy },
          { resource: resources.virtualMachineInstances, toKeys: (vmi) => ofVmi(keyOf(vmi)) },
          { resource: resources.pods, toKeys: (pod) => vmiOfPod(pod).flatMap(ofVmi) },
          { resource: resources.persistentVolumeClaims, toKeys: ofClaim },
          { resource: resources.persistentVolumes, toKeys: ofVolume },
          { resource: resources.nodes, toKeys: ofNode },
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
          const { requeueAfterMs, podRefused } = await carryOutMigration(context, seen, plan);
          if (podRefused) slots.release(migration, nowMs, requeueAfterMs ?? 0);
          return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
        },
      });
    },
  };
}
