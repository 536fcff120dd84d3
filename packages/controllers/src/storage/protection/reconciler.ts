import { keyOf, resources } from '@godwit/api';
import type { PersistentVolumeClaim, Pod, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import type { Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../../context.ts';
import { copyClaims, instanceClaims, podClaims, wantedFinalizers } from './decide.ts';

/**
 * Holds claims that VMIs and copies of stopped VMs use, and lets a deleted claim go once no pod and none of these uses it. The API server's own
 * protection looks at pods only, which do not list what was moved under a running guest.
 */
export function createProtectionReconciler(context: ControllerContext): Reconciler {
  const { client, manager, log } = context;
  const claims = manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims);
  const pods = manager.cache<Pod>(resources.pods);
  const instances = manager.cache<VirtualMachineInstance>(resources.virtualMachineInstances);
  const machines = manager.cache<VirtualMachine>(resources.virtualMachines);

  /** What an object no longer names may have waited for that. */
  const leavingClaims = (namespace: string) =>
    claims.list(namespace).filter(({ metadata }) => metadata.deletionTimestamp !== undefined);

  return {
    name: 'claim-protection',
    watches: [
      { resource: resources.persistentVolumeClaims, toKeys: (claim) => [keyOf(claim)] },
      {
        resource: resources.pods,
        toKeys: (pod) =>
          podClaims(pod as Stored<Pod>).map((name) => ({ namespace: pod.metadata.namespace ?? '', name })),
      },
      {
        resource: resources.virtualMachineInstances,
        toKeys: (vmi) => {
          const { namespace = '' } = vmi.metadata;
          const held = instanceClaims(vmi as unknown as VirtualMachineInstance).map((name) => ({ namespace, name }));
          return [...held, ...leavingClaims(namespace).map(keyOf)];
        },
      },
      {
        resource: resources.virtualMachines,
        toKeys: (vm) => {
          const { namespace = '' } = vm.metadata;
          // The cast is safe: this watch delivers VMs.
          const copied = copyClaims(vm as unknown as VirtualMachine).map((name) => ({ namespace, name }));
          return [...copied, ...leavingClaims(namespace).map(keyOf)];
        },
      },
    ],
    async reconcile(key) {
      const claim = claims.get(key);
      if (!claim) return;
      const { namespace } = key;
      const expected = wantedFinalizers(
        claim,
        pods.list(namespace),
        instances.list(namespace),
        machines.list(namespace),
      );
      if (!expected) return;
      // Letting go cannot be undone: ask the server, not the caches.
      const [livePods, liveInstances, liveMachines] = await Promise.all([
        client.list<Pod>(resources.pods, { namespace }),
        client.list<VirtualMachineInstance>(resources.virtualMachineInstances, { namespace }),
        client.list<VirtualMachine>(resources.virtualMachines, { namespace }),
      ]);
      const finalizers = wantedFinalizers(claim, livePods.items, liveInstances.items, liveMachines.items);
      if (!finalizers) return;
      log.debug({ PersistentVolumeClaim: key, finalizers }, 'changing what holds a claim');
      await client.patch(resources.persistentVolumeClaims, key.name, namespace, {
        type: 'merge',
        patch: { metadata: { finalizers, resourceVersion: claim.metadata.resourceVersion } },
      });
    },
  };
}
