import { keyOf, resources } from '@godwit/api';
import type { PersistentVolumeClaim, Pod, Stored, VirtualMachineInstance } from '@godwit/api';
import type { Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../../context.ts';
import { instanceClaims, podClaims, wantedFinalizers } from './decide.ts';

/**
 * Holds claims that VMIs use, and lets a deleted claim go once no pod and no VMI uses it. The API server's own
 * protection looks at pods only, which do not list what was moved under a running guest.
 */
export function createProtectionReconciler(context: ControllerContext): Reconciler {
  const { client, manager, log } = context;
  const claims = manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims);
  const pods = manager.cache<Pod>(resources.pods);
  const instances = manager.cache<VirtualMachineInstance>(resources.virtualMachineInstances);

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
          // What it no longer names may have waited for that.
          const leaving = claims.list(namespace).filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
          return [...held, ...leaving.map(keyOf)];
        },
      },
    ],
    async reconcile(key) {
      const claim = claims.get(key);
      if (!claim) return;
      const { namespace } = key;
      const expected = wantedFinalizers(claim, pods.list(namespace), instances.list(namespace));
      if (!expected) return;
      // Letting go cannot be undone: ask the server, not the caches.
      const [livePods, liveInstances] = await Promise.all([
        client.list<Pod>(resources.pods, { namespace }),
        client.list<VirtualMachineInstance>(resources.virtualMachineInstances, { namespace }),
      ]);
      const finalizers = wantedFinalizers(claim, livePods.items, liveInstances.items);
      if (!finalizers) return;
      log.debug({ PersistentVolumeClaim: key, finalizers }, 'changing what holds a claim');
      await client.patch(resources.persistentVolumeClaims, key.name, namespace, {
        type: 'merge',
        patch: { metadata: { finalizers, resourceVersion: claim.metadata.resourceVersion } },
      });
    },
  };
}
