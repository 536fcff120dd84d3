import { names, resources } from '@godwit/api';
import type { VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { isAlreadyExists, isNotFound } from '@godwit/kube-client';
import type { ControllerContext } from '../context.ts';
import { writeDifference } from '../virt/write.ts';
import type { MigrationPlan } from './decide.ts';
import type { SeenMigration } from './seen.ts';

async function provision(context: ControllerContext, seen: SeenMigration, plan: MigrationPlan): Promise<void> {
  const { claims = [], node = '' } = plan.provision ?? {};
  for (const claim of claims) {
    const { pvc } = seen.claim(claim);
    if (!pvc || pvc.status?.phase === 'Bound' || pvc.metadata.annotations?.[names.selectedNodeAnnotation] === node)
      continue;
    const patch = { metadata: { annotations: { [names.selectedNodeAnnotation]: node } } };
    await context.client.patch(resources.persistentVolumeClaims, claim, seen.migration.metadata.namespace ?? '', {
      type: 'merge',
      patch,
    });
  }
}

async function createPod(context: ControllerContext, seen: SeenMigration, plan: MigrationPlan): Promise<void> {
  if (!plan.createPod) return;
  try {
    await context.client.create(resources.pods, plan.createPod);
  } catch (error) {
    if (isAlreadyExists(error)) return;
    context.events.record(seen.migration, 'Warning', 'FailedCreate', 'The target pod could not be created');
    throw error;
  }
}

/** Writes in an order that a crash at any point leaves repeatable: pod, claims, VMI, the migration itself, removals. */
export async function carryOutMigration(
  context: ControllerContext,
  seen: SeenMigration,
  plan: MigrationPlan,
): Promise<void> {
  const { client, events } = context;
  const { migration, vmi } = seen;
  await createPod(context, seen, plan);
  await provision(context, seen, plan);
  if (plan.vmi && vmi) {
    await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, vmi, plan.vmi, {
      statusSubresource: false,
    });
  }
  for (const pod of plan.deletePods) {
    await client.delete(resources.pods, pod.metadata.name, pod.metadata.namespace, {
      preconditions: { uid: pod.metadata.uid },
    });
  }
  try {
    await writeDifference<VirtualMachineInstanceMigration>(
      client,
      resources.virtualMachineInstanceMigrations,
      migration,
      plan.next,
      { statusSubresource: true },
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  for (const event of plan.events) {
    events.record(migration, event.type, event.reason, event.message);
    if (event.reason === 'FailedMigration' && vmi) events.record(vmi, event.type, event.reason, event.message);
  }
  for (const { metadata } of plan.forget) {
    await client.delete(resources.virtualMachineInstanceMigrations, metadata.name, metadata.namespace, {
      preconditions: { uid: metadata.uid },
    });
  }
}
