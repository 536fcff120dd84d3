import type { AdmissionPlugin, AdmissionRequest } from '@godwit/api-server';
import { names } from '@godwit/api';
import type { KubeObject, Pod } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { forbidden } from '../refuse.ts';
import { agentNode, isAdministrator, isControllers } from '../users.ts';

/** What makes a pod the launcher of a certain guest. */
function identity(pod: KubeObject | undefined): readonly (string | undefined)[] {
  const { labels = {}, annotations = {} } = pod?.metadata ?? {};
  return labels[names.appLabel] === 'virt-launcher'
    ? [labels[names.createdByLabel], labels[names.migrationJobUidLabel], annotations[names.domainAnnotation]]
    : [];
}

function isGuarded(pod: KubeObject | undefined): boolean {
  return pod?.metadata.finalizers?.includes(names.qemuFinalizer) === true;
}

/** Why this user may not do this to a pod. */
function refusal({ user, object, oldObject, operation }: AdmissionRequest): string | undefined {
  const node = agentNode(user);
  // The cast is safe: this is about pods only.
  const ownsIt = node !== undefined && (oldObject as Pod | undefined)?.spec.nodeName === node;
  if (node !== undefined && oldObject !== undefined && !ownsIt)
    return 'a node agent may change and delete the pods of its own node only';
  if (operation === 'DELETE') return undefined;
  if (!jsonEqual(identity(object), identity(oldObject)))
    return 'launcher pods of virtual machines are made by the controllers only';
  if (isGuarded(oldObject) && !isGuarded(object) && !ownsIt)
    return `its QEMU may still run: finalizer ${names.qemuFinalizer} is removed by the agent of its node, or by an administrator once that node is known to be dead`;
  return undefined;
}

/**
 * Admission of launcher pods: node agents start a guest for every one, and a guest is started again once its pod is
 * gone. So who may create or delete pods must not be able to start a VM's guest a second time.
 */
export const launcherPodAdmission: AdmissionPlugin = {
  name: 'launcher-pod.godwit.dev',
  validate(request) {
    if (request.resource.plural !== 'pods' || request.resource.group !== '') return [];
    // Bindings and evictions are no pods.
    if (request.subresource !== '' && request.subresource !== 'status') return [];
    if (isControllers(request.user) || isAdministrator(request.user)) return [];
    const why = refusal(request);
    if (why !== undefined) throw forbidden(`pod "${request.name}": ${why}`);
    return [];
  },
};
