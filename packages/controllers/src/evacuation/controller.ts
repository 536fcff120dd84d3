import { evacuationFailed, isTrue, keyOf, names, resources } from '@godwit/api';
import type { KubeObject, ObjectKey, Pod, VirtualMachineInstanceMigration } from '@godwit/api';
import type { Controller } from '../context.ts';
import { virtCaches } from '../virt/caches.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { carryOutEvacuation } from './carry-out.ts';
import { decideEvacuation } from './decide.ts';
import { observeGuest } from './observe.ts';

function guestOfPod(object: KubeObject): ObjectKey[] {
  const name = (object as Pod).metadata.annotations?.[names.domainAnnotation];
  return name === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name }];
}

/** Takes guests off nodes that are to become empty. */
export const evacuationController: Controller = {
  name: 'evacuation',
  setUp(context) {
    const caches = virtCaches(context.manager);
    const guestsOn = (node: string): ObjectKey[] =>
      caches.instances
        .list()
        .filter(({ status }) => status?.nodeName === node)
        .map(keyOf);
    const givenUp = (): ObjectKey[] =>
      caches.instances
        .list()
        .filter(({ status }) => isTrue(status?.conditions, evacuationFailed))
        .map(keyOf);
    context.manager.add({
      name: 'evacuation',
      // One at a time: each sees the migrations that were made for those before it.
      concurrency: 1,
      watches: [
        { resource: resources.virtualMachineInstances, toKeys: (vmi) => [keyOf(vmi)] },
        {
          resource: resources.virtualMachineInstanceMigrations,
          toKeys: (object) => {
            const migration = object as VirtualMachineInstanceMigration;
            const { spec, metadata } = migration;
            const from = metadata.annotations?.[names.evacuationMigrationAnnotation];
            const own = spec.vmiName === undefined ? [] : [{ namespace: metadata.namespace ?? '', name: spec.vmiName }];
            // The end of one makes room for the next from the same node.
            const ended = isFinalMigration(migration) || metadata.deletionTimestamp !== undefined;
            return from !== undefined && ended ? [...own, ...guestsOn(from)] : own;
          },
        },
        { resource: resources.pods, toKeys: guestOfPod },
        {
          resource: resources.nodes,
          // Any node that comes may be the one that others waited for.
          toKeys: (node) => [...guestsOn(node.metadata.name ?? ''), ...givenUp()],
        },
        { resource: resources.kubeVirts, toKeys: () => caches.instances.list().map(keyOf) },
      ],
      async reconcile(key) {
        const vmi = caches.instances.get(key);
        if (!vmi) return undefined;
        const seen = observeGuest(caches, vmi, key);
        const requeueAfterMs = await carryOutEvacuation(context, seen, decideEvacuation(seen, context.clock.now()));
        return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
      },
    });
  },
};
