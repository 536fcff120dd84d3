import { resources } from '@godwit/api';
import type { Pod, Stored } from '@godwit/api';
import type { KubeClient } from '@godwit/kube-client';
import type { EventRecorder } from '@godwit/reconcile';
import { isFinished } from './decide.ts';
import { reportPod } from './pod-status.ts';

const REASON = 'UnsupportedPod';
const MESSAGE = 'Only virt-launcher pods run on local nodes; this one will never start';

/** Says of a pod that is no launcher that nothing will run it, and lets it go when it is deleted: it has nothing to end. */
export async function refusePod(
  io: { readonly client: KubeClient; readonly events: EventRecorder },
  pod: Stored<Pod>,
  address: string,
  nowMs: number,
): Promise<void> {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata;
  if (deletionTimestamp !== undefined)
    return io.client.delete(resources.pods, name, namespace, { gracePeriodSeconds: 0, preconditions: { uid } });
  if (isFinished(pod)) return;
  if (pod.status?.reason !== REASON) io.events.record(pod, 'Warning', REASON, MESSAGE);
  await reportPod(io.client, pod, { phase: 'Pending', ready: false, reason: REASON, message: MESSAGE }, address, nowMs);
}
