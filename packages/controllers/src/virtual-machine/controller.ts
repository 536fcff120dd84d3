import { keyOf, names, resources } from '@godwit/api';
import type {
  KubeObject,
  ObjectKey,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { isNotFound } from '@godwit/kube-client';
import type { Controller, ControllerContext } from '../context.ts';
import { usersOfClaim, virtCaches } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { machineClaims } from '../virt/claim-users.ts';
import { writeDifference } from '../virt/write.ts';
import { createObjects, isAbout, nextRefusal } from './create-objects.ts';
import type { Refusal } from './create-objects.ts';
import { decideMachine } from './decide.ts';
import { observeMachine } from './observe.ts';
import type { MachinePlan, SeenMachine } from './seen.ts';

async function writeMarks({ client }: ControllerContext, seen: SeenMachine, plan: MachinePlan): Promise<void> {
  const chosen = (plan.provision ?? []).map(({ claim, node }) => ({
    claim,
    annotations: { [names.selectedNodeAnnotation]: node },
  }));
  for (const { claim, annotations } of [...chosen, ...(plan.claimMarks ?? [])]) {
    const { namespace = '', resourceVersion } = seen.pvc(claim)?.metadata ?? {};
    // What an agent has said meanwhile is looked at first.
    const patch = { metadata: { annotations, resourceVersion } };
    try {
      await client.patch(resources.persistentVolumeClaims, claim, namespace, { type: 'merge', patch });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Answers what was refused, where `mayCreate`. */
async function carryOut(
  context: ControllerContext,
  seen: SeenMachine,
  plan: MachinePlan,
  mayCreate: boolean,
): Promise<string | undefined> {
  const { client, events } = context;
  const { vm, vmi } = seen;
  // The VM first: a fence or a halted strategy must be durable before anything else happens.
  await writeDifference<VirtualMachine>(client, resources.virtualMachines, vm, plan.next, { statusSubresource: true });
  for (const event of plan.events) events.record(vm, event.type, event.reason, event.message);
  const refused = mayCreate ? await createObjects(context, vm, plan) : undefined;
  await writeMarks(context, seen, plan);
  let current = vmi;
  for (const step of plan.instanceSteps) {
    if (!current) break;
    const before: Stored<VirtualMachineInstance> = current;
    // Later steps build on what the server made of the first.
    const after = before === vmi ? step : { ...step, metadata: before.metadata };
    current = await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, before, after, {
      statusSubresource: false,
    });
  }
  for (const { claim, size } of plan.expandClaims ?? []) {
    const patch = {
      metadata: { annotations: { [names.expandedForDiskAnnotation]: size } },
      spec: { resources: { requests: { storage: size } } },
    };
    await client.patch(resources.persistentVolumeClaims, claim, vm.metadata.namespace ?? '', {
      type: 'merge',
      patch,
    });
    events.record(
      vm,
      'Normal',
      'ExpandingVolume',
      `Expands PVC ${claim} to ${size}, as much as the guest's disk needs`,
    );
  }
  for (const { metadata } of plan.deleteMigrations) {
    if (metadata.deletionTimestamp !== undefined) continue;
    await client.delete(resources.virtualMachineInstanceMigrations, metadata.name, metadata.namespace, {
      preconditions: { uid: metadata.uid },
    });
  }
  if (plan.deleteInstance && vmi && vmi.metadata.deletionTimestamp === undefined) {
    await client.delete(resources.virtualMachineInstances, vmi.metadata.name, vmi.metadata.namespace, {
      preconditions: { uid: vmi.metadata.uid },
    });
  }
  return refused;
}

function machineOfMigration(object: KubeObject): ObjectKey[] {
  const { vmiName } = (object as VirtualMachineInstanceMigration).spec;
  return vmiName === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name: vmiName }];
}

function machinesSharing(caches: VirtCaches, object: KubeObject): ObjectKey[] {
  // The cast is safe: this watch delivers VMs.
  const claims = machineClaims(object as VirtualMachine);
  return claims.flatMap((claim) =>
    caches.machines.byIndex('claim', `${object.metadata.namespace ?? ''}/${claim}`).map(keyOf),
  );
}

export const virtualMachineController: Controller = {
  name: 'virtual-machine',
  setUp(context) {
    const caches = virtCaches(context.manager);
    /** By key of the VM, as long as they last; a new process asks once more. */
    const refusals = new Map<string, Refusal>();
    context.manager.add({
      name: 'virtual-machine',
      concurrency: 4,
      watches: [
        // Another VM may wait for a claim that this one gives up.
        { resource: resources.virtualMachines, toKeys: (vm) => [keyOf(vm), ...machinesSharing(caches, vm)] },
        { resource: resources.virtualMachineInstances, toKeys: (vmi) => [keyOf(vmi)] },
        { resource: resources.virtualMachineInstanceMigrations, toKeys: machineOfMigration },
        { resource: resources.dataVolumes, toKeys: (dv) => usersOfClaim(caches.machines, dv) },
        { resource: resources.persistentVolumeClaims, toKeys: (pvc) => usersOfClaim(caches.machines, pvc) },
        // The roll-out strategy decides what an edit becomes.
        { resource: resources.kubeVirts, toKeys: () => caches.machines.list().map(keyOf) },
      ],
      async reconcile(key) {
        const seen = observeMachine(caches, key);
        const id = `${key.namespace}/${key.name}`;
        if (!seen) {
          refusals.delete(id);
          return undefined;
        }
        const known = refusals.get(id);
        const now = context.clock.now();
        const last = known && isAbout(known, seen.vm) ? known : undefined;
        const plan = decideMachine({ ...seen, refused: last?.message }, now);
        const mayCreate = last === undefined || last.retryAtMs <= now;
        const lacks = plan.createInstance !== undefined || plan.createDataVolumes.length > 0;
        const refused = await carryOut(context, seen, plan, mayCreate);
        if (refused !== undefined) {
          refusals.set(id, nextRefusal(seen.vm, last, refused, now));
          // Told by the next pass.
          return { requeueAfterMs: 0 };
        }
        if (mayCreate || !lacks) {
          refusals.delete(id);
          return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
        }
        return { requeueAfterMs: Math.min(last.retryAtMs - now, plan.requeueAfterMs ?? Infinity) };
      },
    });
  },
};
