import { names, resources } from '@godwit/api';
import type { Pod, Stored } from '@godwit/api';
import { isNotFound } from '@godwit/kube-client';
import type { JsonPatchOperation, KubeClient } from '@godwit/kube-client';
import type { LauncherPlan, SeenLauncher } from './decide.ts';
import { isFinished, isGuarded } from './decide.ts';

/*
 * Who sees that a launcher pod is gone may start its guest elsewhere. A finalizer keeps the pod, even one deleted by
 * force, from the moment before a QEMU can exist until this node knows that it is gone. A node that never comes back
 * keeps its pods Terminating until somebody who knows that it is dead takes the finalizer away.
 */

const PRECEDES_QEMU: readonly LauncherPlan['do'][] = ['launch', 'prepare-target'];

/** Whether the pod must get its finalizer before the plan is carried out. */
export function needsGuard({ pod, machine, migrating }: SeenLauncher, plan: LauncherPlan): boolean {
  if (isGuarded(pod) || pod.metadata.deletionTimestamp !== undefined || isFinished(pod)) return false;
  return machine !== undefined || migrating || PRECEDES_QEMU.includes(plan.do);
}

export function guardPatch({ metadata }: Stored<Pod>, present: boolean): JsonPatchOperation[] {
  const path = '/metadata/finalizers';
  const { finalizers } = metadata;
  const others = (finalizers ?? []).filter((one) => one !== names.qemuFinalizer);
  return [
    { op: 'test', path: '/metadata/uid', value: metadata.uid },
    ...(finalizers ? [{ op: 'test', path, value: finalizers } as const] : []),
    { op: 'add', path, value: present ? [...others, names.qemuFinalizer] : others },
  ];
}

/** Sets or removes the finalizer. Removing it from a pod that is gone is no error. */
export async function setGuard(client: KubeClient, pod: Stored<Pod>, present: boolean): Promise<void> {
  if (isGuarded(pod) === present) return;
  const { name, namespace = '' } = pod.metadata;
  try {
    await client.patch(resources.pods, name, namespace, { type: 'json', patch: guardPatch(pod, present) });
  } catch (error) {
    if (present || !isNotFound(error)) throw error;
  }
}
