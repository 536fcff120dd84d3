import { findCondition, isPopulated } from '@godwit/api';
import type { Pod, Stored } from '@godwit/api';
import { isFinalPod, isReadyPod } from '../virt/facts.ts';
import { warning } from '../virt/planned-event.ts';
import { reachFrom } from '../virt/reachable.ts';
import { guestPod } from '../virtual-machine-instance/phase.ts';
import { targetClaims } from './in-place.ts';
import { lostGuest } from './eligible.ts';
import { lostNode } from './lost-nodes.ts';
import { enter, fail, wait } from './seen.ts';
import type { Instance, SeenMigration, Step } from './seen.ts';
import { limitOf, remainingMs, timeoutAnnotations } from './timing.ts';

/** The target pod died or was taken away; undefined while it is there. */
export function lostTargetPod(targetPod: Stored<Pod> | undefined): { reason: string; message: string } | undefined {
  if (!targetPod) return { reason: 'TargetPodGone', message: 'The target pod is gone' };
  if (targetPod.metadata.deletionTimestamp !== undefined)
    return { reason: 'TargetPodGone', message: `Target pod ${targetPod.metadata.name} is being deleted` };
  if (isFinalPod(targetPod)) {
    const why = targetPod.status?.message ?? targetPod.status?.reason ?? '';
    return {
      reason: 'TargetPodDown',
      message: `Target pod ${targetPod.metadata.name} has ended${why === '' ? '' : `: ${why}`}`,
    };
  }
  return undefined;
}

/** The node of the target pod went silent before anything was handed over. */
export function lostTargetNode(seen: SeenMigration): { reason: string; message: string } | undefined {
  const message = lostNode(seen, seen.targetPod?.spec.nodeName);
  return message === undefined ? undefined : { reason: 'TargetNodeLost', message };
}

function whatItLacks(pod: Stored<Pod>): { reason: string; message: string } {
  const scheduled = findCondition(pod.status?.conditions, 'PodScheduled');
  if (scheduled?.status === 'False') {
    return {
      reason: 'TargetPodUnschedulable',
      message: `Target pod ${pod.metadata.name} fits no node: ${scheduled.message ?? scheduled.reason ?? ''}`,
    };
  }
  const why = pod.status?.message ?? findCondition(pod.status?.conditions, 'Ready')?.message ?? 'it is not ready yet';
  return { reason: 'TargetPodNotReady', message: `Waits for target pod ${pod.metadata.name}: ${why}` };
}

/** Waits until the target pod is ready, within KubeVirt's two time limits. */
export function awaitTargetPod(seen: SeenMigration, nowMs: number): Step {
  const { migration, targetPod, timeouts } = seen;
  const lost = lostTargetPod(targetPod);
  if (lost || !targetPod) return fail(lost?.reason ?? 'TargetPodGone', lost?.message ?? 'The target pod is gone');
  const gone = lostTargetNode(seen);
  if (gone) return fail(gone.reason, gone.message, { deletePods: [targetPod] });
  if (isReadyPod(targetPod) && targetPod.spec.nodeName) return enter('Scheduled');
  const lacking = whatItLacks(targetPod);
  const unschedulable = lacking.reason === 'TargetPodUnschedulable';
  const limitMs = unschedulable
    ? limitOf(migration, timeoutAnnotations.unschedulablePod, timeouts.unschedulablePodMs)
    : limitOf(migration, timeoutAnnotations.pendingPod, timeouts.pendingPodMs);
  const leftMs = Date.parse(targetPod.metadata.creationTimestamp) + limitMs - nowMs;
  const events = unschedulable ? [warning('migrationTargetPodUnschedulable', lacking.message)] : [];
  if (leftMs <= 0)
    return fail(lacking.reason, `${lacking.message}; gave up after ${limitMs / 1000} s`, {
      deletePods: [targetPod],
      events,
    });
  return wait(lacking.reason, lacking.message, { requeueAfterMs: leftMs, events });
}

/** A volume that the cache shows only after its claim wakes nobody. */
const LOOK_AGAIN_MS = 5_000;

/** In place: every target claim bound, on this node, and filled with what was asked for. */
function awaitTargetVolumes(seen: SeenMigration, vmi: Instance, nowMs: number): Step {
  const node = vmi.status?.nodeName ?? '';
  const left = remainingMs(
    seen.migration,
    limitOf(seen.migration, timeoutAnnotations.pendingPod, seen.timeouts.pendingPodMs),
    nowMs,
  );
  const unready = (message: string): Step =>
    left <= 0
      ? fail('TargetVolumeNotReady', `${message}; gave up`)
      : wait('TargetVolumeNotReady', message, { requeueAfterMs: Math.min(left, LOOK_AGAIN_MS) });
  const claims = targetClaims(vmi);
  if (claims.length === 0) return fail('VolumesChangeWithdrawn', 'The volumes are not to be changed any more');
  for (const claim of claims) {
    const facts = seen.claim(claim);
    const reach = reachFrom(facts, node);
    if (!facts.pvc) return fail('TargetVolumeGone', `PVC ${claim} does not exist any more`);
    if (reach === 'elsewhere')
      return fail('TargetNotReachable', `PVC ${claim} was provisioned where node ${node} cannot reach it`);
    // Said again until it is bound: the first wish may have met an older copy of the claim.
    if (reach !== 'ready')
      return { ...unready(`Waits for PVC ${claim} to be bound on node ${node}`), provision: { claims: [claim], node } };
    if (!isPopulated(facts.pvc)) return unready(`Waits for PVC ${claim} to be filled`);
  }
  return enter('Scheduled');
}

export function decideScheduling(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  return isInPlace(seen) ? awaitTargetVolumes(seen, vmi, nowMs) : awaitTargetPod(seen, nowMs);
}

/** The pod the guest leaves (or stays in). */
export function sourcePodOf(seen: SeenMigration): Stored<Pod> | undefined {
  if (!seen.vmi) return undefined;
  const others = seen.pods.filter((pod) => pod.metadata.uid !== seen.targetPod?.metadata.uid);
  const pod = guestPod({ vmi: seen.vmi, pods: others });
  return pod && !isFinalPod(pod) ? pod : undefined;
}

export function isInPlace({ migration }: SeenMigration): boolean {
  return migration.status?.migrationState?.method === 'InPlace';
}
