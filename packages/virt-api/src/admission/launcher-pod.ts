import type { AdmissionPlugin } from '@godwit/api-server';
import { names } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { forbidden } from '../refuse.ts';
import { isAdministrator, isControllers } from '../users.ts';

/** What makes a pod the launcher of a certain guest. */
function identity(pod: KubeObject | undefined): readonly (string | undefined)[] {
  const { labels = {}, annotations = {} } = pod?.metadata ?? {};
  return labels[names.appLabel] === 'virt-launcher'
    ? [labels[names.createdByLabel], labels[names.migrationJobUidLabel], annotations[names.domainAnnotation]]
    : [];
}

/**
 * Admission of launcher pods: node agents start a guest for every one, so who may create pods must not be able to start
 * a VM's guest a second time.
 */
export const launcherPodAdmission: AdmissionPlugin = {
  name: 'launcher-pod.godwit.dev',
  validate(request) {
    if (request.resource.plural !== 'pods' || request.resource.group !== '' || request.operation === 'DELETE')
      return [];
    // Bindings and evictions are no pods.
    if (request.subresource !== '' && request.subresource !== 'status') return [];
    if (isControllers(request.user) || isAdministrator(request.user)) return [];
    if (!jsonEqual(identity(request.object), identity(request.oldObject)))
      throw forbidden(`pod "${request.name}": launcher pods of virtual machines are made by the controllers only`);
    return [];
  },
};
