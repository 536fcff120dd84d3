import type { AdmissionPlugin } from '@godwit/api-server';
import { exceededQuota, idleQuotaFields, resources } from '@godwit/api';
import type { Pod, ResourceQuota } from '@godwit/api';
import { forbidden } from '../refuse.ts';

/** Quotas of a namespace on its pods: a guest needs one, and a second one while it moves to another node. */
export const resourceQuotaAdmission: AdmissionPlugin = {
  name: 'resourcequota.godwit.dev',
  exclusive({ resource: { group, plural }, namespace }) {
    return group === '' && plural === 'pods' ? `pods of ${namespace}` : undefined;
  },
  validate({ operation, resource: { group, plural }, subresource, namespace, name, object, oldObject }, reader) {
    if (group !== '' || subresource !== '' || operation === 'DELETE' || !object) return [];
    // The casts are safe: the server knows these kinds.
    if (plural === 'resourcequotas') {
      const told = oldObject ? idleQuotaFields(oldObject as ResourceQuota) : [];
      return idleQuotaFields(object as ResourceQuota)
        .filter((field) => !told.includes(field))
        .map((field) => `${field} has no effect here: only the number, cpu and memory of all pods are limited`);
    }
    if (plural !== 'pods' || operation !== 'CREATE') return [];
    const quotas = reader.list(resources.resourceQuotas, namespace) as ResourceQuota[];
    if (quotas.length === 0) return [];
    const pods = reader.list(resources.pods, namespace) as Pod[];
    for (const quota of quotas) {
      const why = exceededQuota(quota, pods, object as Pod);
      if (why !== undefined) throw forbidden(`pods "${name}" is forbidden: ${why}`);
    }
    return [];
  },
};
