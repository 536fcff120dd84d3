import { resources, withCondition } from '@godwit/api';
import type { Condition, Pod, Stored } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { jsonEqual } from '@godwit/core/json';
import type { KubeClient } from '@godwit/kube-client';

export interface PodReport {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly ready: boolean;
  readonly reason?: string;
  readonly message?: string;
}

type PodStatus = NonNullable<Pod['status']>;

function containerState(report: PodReport, started: string, nowMs: number): object {
  switch (report.phase) {
    case 'Pending':
      return {
        waiting: { reason: report.reason ?? 'ContainerCreating', ...(report.message && { message: report.message }) },
      };
    case 'Running':
      return { running: { startedAt: started } };
    case 'Succeeded':
    case 'Failed':
      return {
        terminated: {
          exitCode: report.phase === 'Succeeded' ? 0 : 1,
          reason: report.phase === 'Succeeded' ? 'Completed' : (report.reason ?? 'Error'),
          ...(report.message && { message: report.message }),
          startedAt: started,
          finishedAt: rfc3339(nowMs),
        },
      };
  }
}

/** A launcher pod's status in the words of Kubernetes; container times stay as first reported. */
export function desiredPodStatus(pod: Pod, report: PodReport, address: string, nowMs: number): PodStatus {
  const ready: Omit<Condition, 'type'> = report.ready
    ? { status: 'True' }
    : {
        status: 'False',
        reason: report.phase === 'Succeeded' ? 'PodCompleted' : (report.reason ?? 'ContainersNotReady'),
        ...(report.message && { message: report.message }),
      };
  let conditions: readonly Condition[] = pod.status?.conditions ?? [];
  for (const type of ['Initialized', 'ContainersReady', 'Ready'])
    conditions = withCondition(
      conditions,
      type === 'Initialized' ? { type, status: 'True' } : { type, ...ready },
      nowMs,
    );
  const startTime = pod.status?.startTime ?? rfc3339(nowMs);
  const container = pod.spec.containers[0];
  const old = pod.status?.containerStatuses?.[0];
  const same = old !== undefined && pod.status?.phase === report.phase && report.phase !== 'Pending';
  return {
    phase: report.phase,
    conditions: [...conditions],
    startTime,
    hostIP: address,
    podIP: address,
    ...(report.reason !== undefined && { reason: report.reason }),
    ...(report.message !== undefined && { message: report.message }),
    containerStatuses: [
      {
        name: container?.name ?? 'compute',
        ready: report.ready,
        restartCount: 0,
        image: container?.image ?? '',
        imageID: '',
        state: same ? old.state : containerState(report, startTime, nowMs),
      },
    ],
  };
}

/** Writes what changed; a reason or message that no longer holds is removed. */
export async function reportPod(
  client: KubeClient,
  pod: Stored<Pod>,
  report: PodReport,
  address: string,
  nowMs: number,
): Promise<void> {
  const wanted = desiredPodStatus(pod, report, address, nowMs);
  const status: Record<string, unknown> = { reason: null, message: null, ...wanted };
  const have: Record<string, unknown> = { ...pod.status };
  const changed = Object.entries(status).filter(([field, value]) => !jsonEqual(have[field] ?? null, value));
  if (changed.length === 0) return;
  const patch = { metadata: { uid: pod.metadata.uid }, status: Object.fromEntries(changed) };
  const { name, namespace } = pod.metadata;
  await client.patch(resources.pods, name, namespace ?? '', { type: 'merge', patch }, 'status');
}
