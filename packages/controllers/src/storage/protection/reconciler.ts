import { keyOf, names, resources } from '@godwit/api';
import type { Pod, PersistentVolumeClaim, Stored, VirtualMachineInstance } from '@godwit/api';
import type { Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../../context.ts';
import { claimUser, instanceClaims, podClaims } from './decide.ts';

/** Lets a deleted claim go once no pod and no VMI uses it (`kubernetes.io/pvc-protection`). */
export function createProtectionReconciler(context: ControllerContext): Reconciler {
  const { client, manager, log } = context;
  const claims = manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims);
  manager.cache<Pod>(resources.pods);
  manager.cache<VirtualMachineInstance>(resources.virtualMachineInstances);

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
        toKeys: (vmi) =>
          instanceClaims(vmi as unknown as VirtualMachineInstance).map((name) => ({
            namespace: vmi.metadata.namespace ?? '',
            name,
          })),
      },
    ],
    async reconcile(key) {
      const claim = claims.get(key);
      if (!claim || claim.metadata.deletionTimestamp === undefined) return;
      if (!claim.metadata.finalizers?.includes(names.pvcProtectionFinalizer)) return;
      // Letting go cannot be undone: ask the server, not the caches.
      const { namespace } = key;
      const [pods, instances] = await Promise.all([
        client.list<Pod>(resources.pods, { namespace }),
        client.list<VirtualMachineInstance>(resources.virtualMachineInstances, { namespace }),
      ]);
      const user = claimUser(key.name, pods.items, instances.items);
      if (user !== undefined) {
        log.debug({ PersistentVolumeClaim: key, user }, 'a deleted claim is still in use');
        return;
      }
      const finalizers = claim.metadata.finalizers.filter((one) => one !== names.pvcProtectionFinalizer);
      await client.patch(resources.persistentVolumeClaims, key.name, namespace, {
        type: 'merge',
        patch: { metadata: { finalizers, resourceVersion: claim.metadata.resourceVersion } },
      });
    },
  };
}
