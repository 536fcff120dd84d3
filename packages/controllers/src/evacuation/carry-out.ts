import { names, resources } from '@godwit/api';
import type { VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import { isKubeApiError, isNotFound } from '@godwit/kube-client';
import type { ControllerContext } from '../context.ts';
import { writeDifference } from '../virt/write.ts';
import type { EvacuationPlan } from './decide.ts';
import type { SeenGuest } from './seen.ts';

/** How long a refusal of the API server is left to stand. */
const REFUSED_MS = 10_000;

/** Resolves with whether it was made. */
async function create(
  { client, events }: ControllerContext,
  seen: SeenGuest,
  migration: VirtualMachineInstanceMigration,
): Promise<boolean> {
  try {
    const made = await client.create(resources.virtualMachineInstanceMigrations, migration);
    events.record(seen.vmi, 'Normal', 'SuccessfulCreate', `Created Migration ${made.metadata.name}`);
    return true;
  } catch (error) {
    if (!isKubeApiError(error)) throw error;
    events.record(seen.vmi, 'Warning', 'FailedCreate', `Error creating a Migration: ${describeError(error)}`);
    return false;
  }
}

async function markPod({ client }: ControllerContext, { pod }: SeenGuest, value: 'true' | null): Promise<void> {
  if (!pod) return;
  const patch = { metadata: { annotations: { [names.evictionInProgressAnnotation]: value } } };
  try {
    await client.patch(resources.pods, pod.metadata.name, pod.metadata.namespace ?? '', { type: 'merge', patch });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/**
 * Writes in an order that a crash leaves repeatable. The VMI comes first: its condition names the migration that was
 * under way, so a copy from before the end of that one is refused there, and no second one is made.
 */
export async function carryOutEvacuation(
  context: ControllerContext,
  seen: SeenGuest,
  plan: EvacuationPlan,
): Promise<number | undefined> {
  const { client, events } = context;
  await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, seen.vmi, plan.next, {
    statusSubresource: false,
  });
  for (const event of plan.events) events.record(seen.vmi, event.type, event.reason, event.message);
  if (plan.markPod !== undefined) await markPod(context, seen, plan.markPod);
  for (const { metadata } of plan.withdraw) {
    await client.delete(resources.virtualMachineInstanceMigrations, metadata.name, metadata.namespace, {
      preconditions: { uid: metadata.uid },
    });
  }
  if (plan.create && !(await create(context, seen, plan.create))) return REFUSED_MS;
  return plan.requeueAfterMs;
}
