import { keyOf, names, resources } from '@godwit/api';
import type { KubeObject, ObjectKey, VirtualMachineInstance } from '@godwit/api';
import { isAlreadyExists, isNotFound } from '@godwit/kube-client';
import type { Controller, ControllerContext } from '../context.ts';
import { usersOfClaim, virtCaches } from '../virt/caches.ts';
import { writeDifference } from '../virt/write.ts';
import { decideInstance } from './decide.ts';
import type { InstancePlan, SeenInstance } from './decide.ts';
import { observeInstance } from './observe.ts';

async function carryOut(context: ControllerContext, seen: SeenInstance, plan: InstancePlan): Promise<void> {
  const { client, events } = context;
  if (plan.createPod) {
    try {
      await client.create(resources.pods, plan.createPod);
      for (const event of plan.events) events.record(seen.vmi, event.type, event.reason, event.message);
    } catch (error) {
      // An earlier pass created it and the cache does not show it yet.
      if (!isAlreadyExists(error)) throw error;
    }
  }
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
}

const LOOK_AGAIN_MS = 1_000;

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
        await carryOut(context, seen, plan);
        return seen.predecessor || plan.lookAgain ? { requeueAfterMs: LOOK_AGAIN_MS } : undefined;
      },
    });
  },
};
