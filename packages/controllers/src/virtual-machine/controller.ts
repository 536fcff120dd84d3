import { keyOf, names, resources } from '@godwit/api';
import type {
  KubeObject,
  ObjectKey,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { isAlreadyExists, isNotFound } from '@godwit/kube-client';
import type { Controller, ControllerContext } from '../context.ts';
import { usersOfClaim, virtCaches } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { machineClaims } from '../virt/claim-users.ts';
import { writeDifference } from '../virt/write.ts';
import { decideMachine } from './decide.ts';
import { observeMachine } from './observe.ts';
import type { MachinePlan, SeenMachine } from './seen.ts';

async function ignoringExisting(create: Promise<unknown>): Promise<void> {
  try {
    await create;
  } catch (error) {
    // An earlier pass created it and the cache does not show it yet.
    if (!isAlreadyExists(error)) throw error;
  }
}

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

async function carryOut(context: ControllerContext, seen: SeenMachine, plan: MachinePlan): Promise<void> {
  const { client, events } = context;
  const { vm, vmi } = seen;
  // The VM first: a fence or a halted strategy must be durable before anything else happens.
  await writeDifference<VirtualMachine>(client, resources.virtualMachines, vm, plan.next, { statusSubresource: true });
  for (const event of plan.events) events.record(vm, event.type, event.reason, event.message);
  for (const dataVolume of plan.createDataVolumes)
    await ignoringExisting(client.create(resources.dataVolumes, dataVolume));
  if (plan.createInstance)
    await ignoringExisting(client.create(resources.virtualMachineInstances, plan.createInstance));
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
      ],
      async reconcile(key) {
        const seen = observeMachine(caches, key);
        if (!seen) return undefined;
        const plan = decideMachine(seen, context.clock.now());
        await carryOut(context, seen, plan);
        return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
      },
    });
  },
};
