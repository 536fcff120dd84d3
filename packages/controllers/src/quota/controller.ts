import { keyOf, quotaStatus, resources } from '@godwit/api';
import type { KubeObject, ObjectKey, Pod, ResourceQuota } from '@godwit/api';
import type { Controller } from '../context.ts';
import { writeDifference } from '../virt/write.ts';

/** Says in ResourceQuotas how much of them is used; who exceeds one is refused at once by admission. */
export const quotas: Controller = {
  name: 'quotas',
  setUp({ client, manager }) {
    const known = manager.cache<ResourceQuota>(resources.resourceQuotas);
    const pods = manager.cache<Pod>(resources.pods);
    const ofPod = (pod: KubeObject): ObjectKey[] => known.list(pod.metadata.namespace).map(keyOf);
    manager.add({
      name: 'quotas',
      watches: [
        { resource: resources.resourceQuotas, toKeys: (quota) => [keyOf(quota)] },
        { resource: resources.pods, toKeys: ofPod },
      ],
      async reconcile(key) {
        const quota = known.get(key);
        if (!quota) return;
        const next = { ...quota, status: quotaStatus(quota, pods.list(key.namespace)) };
        await writeDifference<ResourceQuota>(client, resources.resourceQuotas, quota, next, {
          statusSubresource: true,
        });
      },
    });
  },
};
