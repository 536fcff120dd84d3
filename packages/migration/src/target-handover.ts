import type { SourceMessage } from './messages.ts';
import type { Stepped } from './step.ts';
import { afterAbort, afterCommit, rejoining } from './target-after-commit.ts';
import { beforeReady, newAttempt, waiting, whenReady } from './target-before-commit.ts';
import {
  aborting,
  losing,
  send,
  withArrival,
  type Arrival,
  type TargetEffect,
  type TargetEvent,
  type TargetRecord,
  type TargetResult,
  type TargetState,
} from './target-states.ts';

/**
 * The target's half of the handover.
 *
 *   Waiting ──hello──▶ Preparing ──prepared──▶ Receiving ──loaded──▶ Ready ──commit──▶ Committed ──running──▶ Running
 *      │                   │                       │               ▲     │ unheard        ▲    │ QEMU died
 *      │                   │                       │          heard│     ▼                │    ▼
 *      │                   │                       │             Undecided ──(commit, or  │   Lost
 *      │                   │                       │                 │    human: run)─────┘
 *      └───────────────────┴── abort, failure ─────┴─────────────────┴─▶ Aborted ──hello of a later epoch──▶ Preparing
 *
 * The vCPUs never execute before `commit` is on disk, and `aborted` on disk refuses every later commit of that epoch.
 * Aborting ends QEMU before it is recorded, so that a source that hears `aborted` is alone.
 *
 * By post-copy the target is ready with a part of the memory (`listening`), and Running is final only when the rest has
 * arrived (`loaded`). When the stream breaks (`torn`), the target aborts before its commit; after it it has the source join
 * again. Should that fail for long, or the source's QEMU be gone, the guest is Lost, and its QEMU is ended, because it would
 * wait for its memory for ever.
 */
export const targetWaiting: TargetState = { phase: 'Waiting' };

/** What a restarted agent finds of the guest (`loaded`: paused with all that it needs to run), and of its memory. */
export interface FoundGuest {
  readonly guest: 'none' | 'incoming' | 'loaded' | 'running' | 'gone';
  readonly postCopy?: Arrival;
}

/** The state after a restart, from the last record and a look at QEMU. */
export function recoverTargetHandover(
  record:
    | {
        readonly record: TargetRecord;
        readonly epoch: number;
        readonly reason?: string;
        readonly postCopy?: Arrival;
      }
    | undefined,
  found: FoundGuest,
): Stepped<TargetState, TargetEffect> {
  const { guest, postCopy } = found;
  if (record === undefined) return { next: targetWaiting, effects: guest === 'none' ? [] : [{ do: 'end' }] };
  const { epoch } = record;
  switch (record.record) {
    case 'started':
      return guest === 'loaded' && postCopy !== 'torn'
        ? { next: { phase: 'Ready', epoch, ...withArrival(postCopy) }, effects: [] }
        : aborting(epoch, 'The agent of the target node restarted during the migration');
    case 'commit': {
      const arrival = withArrival(postCopy);
      if (guest === 'running') {
        const next = { phase: 'Running' as const, epoch, ...arrival };
        if (postCopy === 'torn') return rejoining(next);
        return { next, effects: postCopy === 'whole' ? [send('whole', epoch)] : [] };
      }
      if (guest !== 'loaded' && record.postCopy === 'partial')
        return losing(epoch, 'The QEMU process of the target ended');
      if (guest !== 'loaded') return { next: { phase: 'Lost', epoch, ...withArrival(record.postCopy) }, effects: [] };
      const next = { phase: 'Committed' as const, epoch, ...arrival };
      return { next, effects: [...(postCopy === 'torn' ? rejoining(next).effects : []), { do: 'resume' }] };
    }
    case 'aborted':
      return {
        next: { phase: 'Aborted', epoch, reason: record.reason ?? 'The migration was aborted' },
        effects: [{ do: 'end' }],
      };
  }
}

export function stepTarget(state: TargetState, event: TargetEvent): TargetResult {
  if (event.type === 'message' && state.phase !== 'Waiting' && event.message.epoch !== state.epoch)
    return otherEpoch(state, event.message);
  switch (state.phase) {
    case 'Waiting':
      return waiting(state, event);
    case 'Preparing':
    case 'Receiving':
      return beforeReady(state, event);
    case 'Ready':
    case 'Undecided':
      return whenReady(state, event);
    case 'Committed':
    case 'Running':
    case 'Lost':
      return afterCommit(state, event);
    case 'Aborted':
      return afterAbort(state, event);
  }
}

/** Milliseconds after entering `state` at which `timeout` is due. */
export function targetDeadlineMs(state: TargetState, policy: TargetDeadlines): number | undefined {
  switch (state.phase) {
    case 'Preparing':
      return policy.prepareMs;
    case 'Ready':
      return policy.inquireMs;
    case 'Undecided':
      return policy.inquireMs * 4;
    case 'Committed':
    case 'Running': // memory that is missing arrives, or QEMU says that it will not
      return state.postCopy === 'torn' ? policy.rejoinMs : undefined;
    case 'Waiting': // ended by the agent when the target pod goes away
    case 'Receiving': // bounded by the source, whose link is watched
    case 'Lost':
    case 'Aborted':
      return undefined;
  }
}

export interface TargetDeadlines {
  readonly prepareMs: number;
  readonly inquireMs: number;
  /** Between two tries to join a torn stream. */
  readonly rejoinMs: number;
}

function otherEpoch(state: Exclude<TargetState, { phase: 'Waiting' }>, message: SourceMessage): TargetResult {
  // A source begins a later attempt only after it gave up the earlier one, so an earlier epoch is over for good.
  if (message.epoch < state.epoch)
    return { next: state, effects: [send('aborted', message.epoch, 'A later attempt began')] };
  switch (state.phase) {
    case 'Aborted':
      return newAttempt(state, message);
    case 'Preparing':
    case 'Receiving':
    case 'Ready':
    case 'Undecided':
      return aborting(state.epoch, 'A later attempt began');
    case 'Committed':
    case 'Running':
    case 'Lost':
      return { denied: 'a later attempt cannot follow a commit' };
  }
}
