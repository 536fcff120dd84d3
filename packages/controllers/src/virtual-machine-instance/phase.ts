import type { Pod, Stored, VirtualMachineInstance, VmiPhase } from '@godwit/api';
import { isFinalPod, isReceiver, isUnderway, recordedRole } from '../virt/facts.ts';
import { names, podTerminating } from '@godwit/api';

/*
 *   ""  ──> Pending ──(launcher pod exists)──> Scheduling ──(pod is bound)──> Scheduled ──(node agent)──> Running
 *   └─(receiver)─> WaitingForSync <──(pod lost, move failed)──> Scheduling, Scheduled ──(move completed)──> Running
 *   Any phase from Scheduling on: pod Succeeded -> Succeeded; pod Failed or gone -> Failed.
 *
 * A pod that ends while a migration is being handed over proves nothing: only the node agents know which side has the
 * guest, so the VMI keeps its phase until their record is final.
 */

export interface PhaseFacts {
  readonly vmi: Stored<VirtualMachineInstance>;
  /** All launcher pods of this VMI; complete, not merely cached, when none is alive. */
  readonly pods: readonly Stored<Pod>[];
}

export interface PhaseVerdict {
  readonly phase: VmiPhase;
  /** Why the guest is not running, for the Ready condition; absent while all goes its way. */
  readonly reason?: string;
  readonly message?: string;
}

/** The pod of a first start: not made for a migration. */
export function startPod(pods: readonly Stored<Pod>[]): Stored<Pod> | undefined {
  return pods.find((pod) => pod.metadata.labels?.[names.migrationJobUidLabel] === undefined);
}

/** The pod that holds the guest now: on the VMI's node, a living one rather than a finished one. */
export function guestPod({ vmi, pods }: PhaseFacts): Stored<Pod> | undefined {
  const node = vmi.status?.nodeName;
  if (node === undefined || node === '') return startPod(pods);
  const here = pods.filter((pod) => pod.spec.nodeName === node);
  return here.find((pod) => !isFinalPod(pod)) ?? here.at(-1);
}

function ofEndedPod(pod: Stored<Pod> | undefined): PhaseVerdict {
  if (!pod) return { phase: 'Failed', reason: 'PodNotExists', message: 'The launcher pod is gone' };
  const message = pod.status?.message ?? '';
  return pod.status?.phase === 'Succeeded'
    ? { phase: 'Succeeded', reason: 'PodCompleted', message: message || 'The guest has shut down' }
    : { phase: 'Failed', reason: pod.status?.reason ?? 'PodFailed', message: message || 'The launcher pod has failed' };
}

function receiverPhase({ vmi, pods }: PhaseFacts): PhaseVerdict {
  const state = vmi.status?.migrationState;
  if (state?.completed && !state.failed && state.targetNodeDomainReadyTimestamp) return { phase: 'Running' };
  const pod = pods.find((one) => !isFinalPod(one) && one.metadata.deletionTimestamp === undefined);
  const waiting: PhaseVerdict = {
    phase: 'WaitingForSync',
    reason: 'WaitingForSync',
    message: 'Waits for a VM to arrive',
  };
  if (!pod || state?.failed) return waiting;
  return {
    phase: pod.spec.nodeName ? 'Scheduled' : 'Scheduling',
    reason: 'GuestNotRunning',
    message: 'The guest is on its way',
  };
}

function runningPhase(facts: PhaseFacts): PhaseVerdict {
  const { vmi, pods } = facts;
  const pod = guestPod(facts);
  if (pod && !isFinalPod(pod))
    return pod.metadata.deletionTimestamp === undefined
      ? { phase: 'Running' }
      : { phase: 'Running', reason: podTerminating.reason, message: podTerminating.message };
  const state = vmi.status?.migrationState;
  const role = recordedRole(vmi);
  if (isUnderway(state)) {
    // Once the source knows where to connect, its agent may be further than its last report says.
    const mayHaveStarted = state?.startTimestamp !== undefined || state?.targetNodeAddress !== undefined;
    const wait = (message: string): PhaseVerdict => ({ phase: 'Running', reason: 'HandoverUndecided', message });
    if (role === 'source' && mayHaveStarted) {
      return wait('The source has ended; waits for the other cluster to say whether the guest runs there');
    }
    const targetLives = pods.some((one) => one.metadata.name === state?.targetPod && !isFinalPod(one));
    if (targetLives && state?.targetPod !== state?.sourcePod && mayHaveStarted) {
      return wait(
        `The source pod has ended; waits for node ${state?.targetNode ?? ''} to say whether the guest runs there`,
      );
    }
  }
  return ofEndedPod(pod);
}

/** The phase a VMI should be in, from what its pods and its migration record show. Phases never run backwards, receivers apart. */
export function decidePhase(facts: PhaseFacts): PhaseVerdict {
  const phase = facts.vmi.status?.phase ?? '';
  if (phase === 'Succeeded' || phase === 'Failed') return { phase };
  if (isReceiver(facts.vmi)) return receiverPhase(facts);
  const pod = startPod(facts.pods);
  switch (phase) {
    case '':
    case 'Unknown':
      return { phase: 'Pending', reason: 'PodNotExists', message: 'No launcher pod yet' };
    case 'Pending':
      return pod
        ? { phase: 'Scheduling', reason: 'GuestNotRunning', message: 'The guest is not running yet' }
        : { phase: 'Pending', reason: 'PodNotExists', message: 'No launcher pod yet' };
    case 'Scheduling':
    case 'Scheduled':
      if (!pod || isFinalPod(pod)) return ofEndedPod(pod);
      return {
        phase: pod.spec.nodeName ? 'Scheduled' : 'Scheduling',
        reason: 'GuestNotRunning',
        message: pod.status?.message || 'The guest is not running yet',
      };
    case 'WaitingForSync':
    case 'Running':
      return runningPhase(facts);
  }
}
