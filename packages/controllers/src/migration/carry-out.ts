import { names, resources } from '@godwit/api';
import type { Pod, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import { isAlreadyExists, isConflict, isKubeApiError, isNotFound } from '@godwit/kube-client';
import type { ControllerContext } from '../context.ts';
import { warning } from '../virt/planned-event.ts';
import { writeDifference } from '../virt/write.ts';
import type { MigrationPlan } from './decide.ts';
import { conditionsOfRefusal, refusedAgainMs } from './refused-pod.ts';
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

/** The plan of a migration whose target pod the API server refuses: it says so and waits for another try. */
function refused({ migration }: SeenMigration, plan: MigrationPlan, error: unknown, nowMs: number): MigrationPlan {
  const why = describeError(error);
  const conditions = [...conditionsOfRefusal(migration, plan.next.status?.conditions ?? [], why, nowMs)];
  return {
    ...plan,
    next: { ...plan.next, status: { ...plan.next.status, conditions } },
    createPod: undefined,
    events: [warning('FailedCreate', `The target pod could not be created: ${why}`)],
    vmiEvents: [],
    requeueAfterMs: refusedAgainMs(migration, nowMs),
  };
}

async function writeInstance(
  { client, events }: ControllerContext,
  seen: SeenMigration,
  plan: MigrationPlan,
): Promise<void> {
  const { vmi, migration } = seen;
  if (!plan.vmi || !vmi) return;
  try {
    await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, vmi, plan.vmi, {
      statusSubresource: false,
    });
  } catch (error) {
    // Somebody else wrote in between: decided anew in a moment.
    if (migration.status?.phase === 'Scheduled' && isKubeApiError(error) && !isConflict(error))
      events.record(migration, 'Warning', 'FailedHandOver', `Failed to hand over the VMI: ${describeError(error)}`);
    throw error;
  }
}

async function deletePod({ client, events }: ControllerContext, seen: SeenMigration, pod: Stored<Pod>): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  try {
    await client.delete(resources.pods, name, namespace, { preconditions: { uid } });
  } catch (error) {
    if (isNotFound(error)) return;
    const why = `Error deleting pod ${name}: ${describeError(error)}`;
    events.record(seen.migration, 'Warning', 'FailedDelete', why);
    throw error;
  }
  events.record(seen.migration, 'Normal', 'SuccessfulDelete', `Deleted pod ${name}`);
}

async function announceArrival({ client }: ControllerContext, { arrived }: MigrationPlan): Promise<void> {
  if (!arrived) return;
  const { name, namespace } = arrived.pod.metadata;
  const patch = { metadata: { annotations: { [names.migrationTargetReadyAnnotation]: arrived.at } } };
  try {
    await client.patch(resources.pods, name, namespace ?? '', { type: 'merge', patch });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Writes in an order that a crash at any point leaves repeatable: pod, claims, VMI, the migration itself, removals. */
export async function carryOutMigration(
  context: ControllerContext,
  seen: SeenMigration,
  wanted: MigrationPlan,
): Promise<{ readonly requeueAfterMs: number | undefined; readonly podRefused: boolean }> {
  const { client, events, clock } = context;
  const { migration, vmi } = seen;
  let plan = wanted;
  try {
    if (plan.createPod) await client.create(resources.pods, plan.createPod);
  } catch (error) {
    if (!isKubeApiError(error)) throw error;
    if (!isAlreadyExists(error)) plan = refused(seen, plan, error, clock.now());
  }
  await provision(context, seen, plan);
  await writeInstance(context, seen, plan);
  await announceArrival(context, plan);
  for (const pod of plan.deletePods) await deletePod(context, seen, pod);
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
  for (const event of plan.events) events.record(migration, event.type, event.reason, event.message);
  for (const event of vmi ? plan.vmiEvents : []) if (vmi) events.record(vmi, event.type, event.reason, event.message);
  for (const { metadata } of plan.forget) {
    await client.delete(resources.virtualMachineInstanceMigrations, metadata.name, metadata.namespace, {
      preconditions: { uid: metadata.uid },
    });
  }
  return { requeueAfterMs: plan.requeueAfterMs, podRefused: plan !== wanted };
}
