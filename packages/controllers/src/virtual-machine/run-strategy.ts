import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { agentsEngaged } from '../migration/record.ts';
import { hasMovedAway, isFinalVmi, isReceiver, recordedRole, runStrategyOf } from '../virt/facts.ts';
import { endedSinceMs, witnessPatienceMs } from '../volume-migration/recover.ts';

export type RunDecision =
  /** `awaited`: it will be known soon what to do. */
  | { readonly do: 'nothing'; readonly awaited?: true }
  | { readonly do: 'start'; readonly receiver: boolean }
  /** `again`: queue a start request, so that the next pass starts it. */
  | { readonly do: 'stop'; readonly again?: boolean; readonly because: string }
  /** The guest runs in another cluster now: stop wanting it here. */
  | { readonly do: 'halt'; readonly because: string }
  /** A receiver got its guest: from now on run it by this strategy. */
  | { readonly do: 'restore'; readonly runStrategy: string }
  | { readonly do: 'refuse'; readonly message: string };

const NOTHING: RunDecision = { do: 'nothing' };
const START: RunDecision = { do: 'start', receiver: false };

function firstRequest(vm: VirtualMachine): { action: 'Start' | 'Stop'; uid?: string } | undefined {
  return vm.status?.stateChangeRequests?.[0];
}

function stopRequested(vm: VirtualMachine, vmi: Stored<VirtualMachineInstance>): boolean {
  const request = firstRequest(vm);
  return request?.action === 'Stop' && (request.uid === undefined || request.uid === vmi.metadata.uid);
}

function startRequested(vm: VirtualMachine): boolean {
  return (vm.status?.stateChangeRequests ?? []).some((request) => request.action === 'Start');
}

function transitionTime(vmi: VirtualMachineInstance, phase: string): string {
  return vmi.status?.phaseTransitionTimestamps?.find((entry) => entry.phase === phase)?.phaseTransitionTimestamp ?? '';
}

/** The node agent of a source has said that its guest has not left for the other cluster. */
export function hasStayed(vmi: Stored<VirtualMachineInstance>): boolean {
  const { failed, settledOn } = vmi.status?.migrationState ?? {};
  return recordedRole(vmi) === 'source' && failed === true && settledOn === 'source';
}

/**
 * A finished source of a cross-cluster move is never started again by itself: the guest may run over there. An attempt
 * that had failed before this VMI ended does not count, nor one of which the source's agent says that nothing came of it.
 */
function mayRunElsewhere(vmi: Stored<VirtualMachineInstance>): boolean {
  if (recordedRole(vmi) !== 'source' || hasStayed(vmi)) return false;
  const state = vmi.status?.migrationState;
  if (hasMovedAway(vmi)) return true;
  const endedAt = isFinalVmi(vmi)
    ? transitionTime(vmi, vmi.status?.phase ?? '')
    : (vmi.metadata.deletionTimestamp ?? '');
  const endedBefore = state?.failed === true && (state.endTimestamp ?? '') < endedAt;
  return state !== undefined && agentsEngaged(state) && !endedBefore;
}

/** Annotation of a VM whose guest has left for another cluster: nothing starts the old copy until somebody removes it. */
export const movedAwayAnnotation = 'godwit.dev/moved-away';

export function isFenced(vm: VirtualMachine): boolean {
  return vm.metadata.annotations?.[movedAwayAnnotation] !== undefined;
}

/**
 * The guest of this VMI has left for another cluster, or the VMI ended while nobody here could know: its VM has to carry
 * the fence before the VMI, the only witness, may go.
 */
export function needsFence(vmi: Stored<VirtualMachineInstance>): boolean {
  if (hasMovedAway(vmi)) return true;
  const state = vmi.status?.migrationState;
  const open = recordedRole(vmi) === 'source' && state !== undefined && agentsEngaged(state) && state.failed !== true;
  return open && isFinalVmi(vmi);
}

function isEnding(vmi: Stored<VirtualMachineInstance>): boolean {
  return isFinalVmi(vmi) || vmi.metadata.deletionTimestamp !== undefined;
}

/** What becomes of the fence of a VM: set before its VMI can go, and taken away once it is certain that the guest has not left. */
export function decideFence(
  vm: Stored<VirtualMachine>,
  vmi: Stored<VirtualMachineInstance>,
): 'set' | 'remove' | 'leave' {
  if (needsFence(vmi) || (isEnding(vmi) && mayRunElsewhere(vmi))) return 'set';
  return awaitsRelease(vm, vmi) ? 'remove' : 'leave';
}

/** The fence was set for the very move of which it is certain by now that the guest has not left with it. */
export function awaitsRelease(vm: VirtualMachine, vmi: Stored<VirtualMachineInstance>): boolean {
  const fence = vm.metadata.annotations?.[movedAwayAnnotation];
  return fence !== undefined && fence === vmi.status?.migrationState?.migrationUid && hasStayed(vmi);
}

/** The node agents may still say where the guest is. */
function mayStillBeTold(vmi: Stored<VirtualMachineInstance>, nowMs: number): boolean {
  return !hasMovedAway(vmi) && endedSinceMs(vmi, nowMs) < witnessPatienceMs;
}

function decideEnded(vm: VirtualMachine, vmi: Stored<VirtualMachineInstance>): RunDecision {
  const strategy = runStrategyOf(vm);
  const failed = vmi.status?.phase === 'Failed';
  switch (strategy) {
    case 'Always':
      return { do: 'stop', because: 'the guest has ended and runs again' };
    case 'RerunOnFailure':
      return failed
        ? { do: 'stop', again: true, because: 'the guest has failed and runs again' }
        : { do: 'stop', because: 'the guest has shut down' };
    case 'Manual':
      return stopRequested(vm, vmi) || startRequested(vm) ? { do: 'stop', because: 'the guest has ended' } : NOTHING;
    case 'Halted':
      return { do: 'stop', because: 'the VM is halted' };
    case 'Once':
      return NOTHING;
    case 'WaitAsReceiver':
      return { do: 'stop', because: 'the receiver has failed and is set up again' };
  }
}

function decideReceiver(
  vm: VirtualMachine,
  vmi: Stored<VirtualMachineInstance>,
  restore: string | undefined,
): RunDecision {
  if (isReceiver(vmi)) return NOTHING;
  const state = vmi.status?.migrationState;
  if (state?.completed && !state.failed)
    return restore === undefined ? NOTHING : { do: 'restore', runStrategy: restore };
  return { do: 'refuse', message: 'Found non receiver VMI while VM is receiver' };
}

/** What a VM's run strategy and queued requests ask of its VMI. `restore`: value of the restore-run-strategy annotation. */
export function decideRun(
  vm: VirtualMachine,
  vmi: Stored<VirtualMachineInstance> | undefined,
  restore: string | undefined,
  nowMs: number,
): RunDecision {
  const strategy = runStrategyOf(vm);
  const stays = strategy === 'Halted' || strategy === 'WaitAsReceiver';
  if (!vmi && !stays && isFenced(vm)) return { do: 'halt', because: 'the guest has moved to another cluster' };
  if (!vmi) {
    switch (strategy) {
      case 'Always':
      case 'Once':
        return START;
      case 'RerunOnFailure':
        // Started when the strategy is new, or on request; a guest that shut down by itself stays down.
        return startRequested(vm) || vm.status?.runStrategy !== strategy ? START : NOTHING;
      case 'Manual':
        return startRequested(vm) ? START : NOTHING;
      case 'Halted':
        return NOTHING;
      case 'WaitAsReceiver':
        return { do: 'start', receiver: true };
    }
  }
  if (isEnding(vmi) && !stays && mayRunElsewhere(vmi)) {
    if (mayStillBeTold(vmi, nowMs)) return { do: 'nothing', awaited: true };
    return {
      do: 'halt',
      because: hasMovedAway(vmi)
        ? 'the guest has moved to another cluster'
        : 'the guest ended during a move to another cluster',
    };
  }
  if (vmi.metadata.deletionTimestamp !== undefined) return NOTHING;
  if (isFinalVmi(vmi)) return decideEnded(vm, vmi);
  if (strategy === 'WaitAsReceiver') return decideReceiver(vm, vmi, restore);
  if (strategy === 'Halted') return { do: 'stop', because: 'the VM is halted' };
  if (stopRequested(vm, vmi)) return { do: 'stop', because: 'a stop was requested' };
  return NOTHING;
}

/** The queued requests without those that have been served. */
export function pendingRequests(
  vm: VirtualMachine,
  vmi: Stored<VirtualMachineInstance> | undefined,
): NonNullable<NonNullable<VirtualMachine['status']>['stateChangeRequests']> {
  let requests = vm.status?.stateChangeRequests ?? [];
  const [first] = requests;
  if (first?.action === 'Stop' && (!vmi || (first.uid !== undefined && first.uid !== vmi.metadata.uid)))
    requests = requests.slice(1);
  const next = requests[0];
  if (next?.action === 'Start' && vmi && !isFinalVmi(vmi) && vmi.metadata.deletionTimestamp === undefined)
    requests = requests.slice(1);
  return requests;
}
