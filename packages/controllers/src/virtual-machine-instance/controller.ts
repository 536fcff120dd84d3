import { keyOf, names, resources } from '@godwit/api';
import type { KubeObject, ObjectKey, VirtualMachineInstance } from '@godwit/api';
import { isAlreadyExists, isForbidden, isKubeApiError, isNotFound } from '@godwit/kube-client';
import type { Controller, ControllerContext } from '../context.ts';
import { usersOfClaim, virtCaches } from '../virt/caches.ts';
import { writeDifference } from '../virt/write.ts';
import { decideInstance } from './decide.ts';
import { isRefused, refusedReason, withRefusedPod } from './refused-pod.ts';
import type { InstancePlan, SeenInstance } from './decide.ts';
import { observeInstance } from './observe.ts';

/** Makes the pod of a guest. Answers why the API server does not let it in, a quota for example. */
async function createPod(
  context: ControllerContext,
  { vmi }: SeenInstance,
  plan: InstancePlan,
): Promise<string | undefined> {
  if (!plan.createPod) return undefined;
  try {
    await context.client.create(resources.pods, plan.createPod);
    for (const event of plan.events) context.events.record(vmi, event.type, event.reason, event.message);
  } catch (error) {
    if (isKubeApiError(error) && isForbidden(error)) return error.details.body?.message ?? error.message;
    // An earlier pass created it and the cache does not show it yet.
    if (!isAlreadyExists(error)) throw error;
  }
  return undefined;
}

async function carryOut(context: ControllerContext, seen: SeenInstance, wanted: InstancePlan): Promise<boolean> {
  const { client, events } = context;
  const refused = await createPod(context, seen, wanted);
  const plan = refused === undefined ? wanted : withRefusedPod(wanted, refused, context.clock.now());
  if (refused !== undefined && !isRefused(seen.vmi))
    events.record(seen.vmi, 'Warning', refusedReason, `The pod of the guest cannot be created: ${refused}`);
  for (const pod of plan.deletePods) {
    await client.delete(resources.pods, pod.metadata.name, pod.metadata.namespace, {
      preconditions: { uid: pod.metadata.uid },
    });
  }
  for (const claim of plan.provision ?? []) {
    const patch = { metadata: { annotations: { [names.selectedNodeAnnotation]: seen.vmi.status?.nodeName } } };
    try {
      await client.patch(resources.persistentVolumeClaims, claim, seen.vmi.metadata.namespace ?? '', {
        type: 'merge',
        patch,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, seen.vmi, plan.next, {
    statusSubresource: false,
  });
  return refused !== undefined;
}

const LOOK_AGAIN_MS = 1_000;
/** What makes room for a pod wakes nobody here. */
const REFUSED_MS = 2_000;

/** Keys of the VMI a launcher pod belongs to. */
function ownerOfPod(pod: KubeObject): ObjectKey[] {
  const owner = pod.metadata.ownerReferences?.find((one) => one.kind === 'VirtualMachineInstance' && one.controller);
  return owner && pod.metadata.labels?.[names.createdByLabel]
    ? [{ namespace: pod.metadata.namespace ?? '', name: owner.name }]
    : [];
}

export const virtualMachineInstanceController: Controller = {
  name: 'virtual-machine-instance',
  setUp(context) {
    const caches = virtCaches(context.manager);
    /** A VMI that is being deleted may wait for its VM; no other one looks at it. */
    const leavingInstance = (vm: KubeObject): ObjectKey[] => {
      const key = { namespace: vm.metadata.namespace ?? '', name: vm.metadata.name ?? '' };
      return caches.instances.get(key)?.metadata.deletionTimestamp === undefined ? [] : [key];
    };
    context.manager.add({
      name: 'virtual-machine-instance',
      concurrency: 4,
      watches: [
        { resource: resources.virtualMachineInstances, toKeys: (vmi) => [keyOf(vmi)] },
        { resource: resources.virtualMachines, toKeys: leavingInstance },
        { resource: resources.pods, toKeys: ownerOfPod },
        { resource: resources.dataVolumes, toKeys: (dv) => usersOfClaim(caches.instances, dv) },
        { resource: resources.persistentVolumeClaims, toKeys: (pvc) => usersOfClaim(caches.instances, pvc) },
      ],
      async reconcile(key) {
        const seen = await observeInstance(context.client, caches, key);
        if (!seen) return undefined;
        const plan = decideInstance(seen, context.clock.now());
        const refused = await carryOut(context, seen, plan);
        if (refused) return { requeueAfterMs: REFUSED_MS };
        return seen.predecessor || plan.lookAgain ? { requeueAfterMs: LOOK_AGAIN_MS } : undefined;
      },
    });
  },
};
