import type { SourceMessage, TargetMessage } from './messages.ts';
import type { StepResult, Stepped } from './step.ts';

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
 */
export type TargetState =
  | { readonly phase: 'Waiting' }
  | { readonly phase: 'Preparing'; readonly epoch: number }
  /** QEMU waits for memory, its exports are open. */
  | { readonly phase: 'Receiving'; readonly epoch: number }
  /** Everything is loaded; paused. */
  | { readonly phase: 'Ready'; readonly epoch: number }
  /** As Ready, but the source is silent: a human may decide. */
  | { readonly phase: 'Undecided'; readonly epoch: number }
  /** The commit is on disk: only this side may run. */
  | { readonly phase: 'Committed'; readonly epoch: number }
  | { readonly phase: 'Running'; readonly epoch: number }
  /** Final: committed, but QEMU died. */
  | { readonly phase: 'Lost'; readonly epoch: number }
  | { readonly phase: 'Aborted'; readonly epoch: number; readonly reason: string };

export type TargetEvent =
  | { readonly type: 'message'; readonly message: SourceMessage }
  | { readonly type: 'prepared' }
  | { readonly type: 'prepareFailed'; readonly reason: string }
  /** QEMU reports the incoming migration completed; it is paused. */
  | { readonly type: 'loaded' }
  /** Outcome of the effect `resume`. */
  | { readonly type: 'running' }
  /** QEMU's process ended. */
  | { readonly type: 'gone' }
  /** The carrier or the stream failed. */
  | { readonly type: 'copyFailed'; readonly reason: string }
  | { readonly type: 'abort'; readonly reason: string }
  | { readonly type: 'timeout' }
  | { readonly type: 'peerLost'; readonly reason: string }
  /** A human says that the source is fenced for good. */
  | { readonly type: 'resolve'; readonly decision: 'run-target' };

export type TargetRecord = 'started' | 'commit' | 'aborted';

export type TargetEffect =
  | { readonly do: 'send'; readonly message: TargetMessage }
  | { readonly do: 'journal'; readonly record: TargetRecord; readonly epoch: number; readonly reason?: string }
  /** Volumes, QEMU, exports, carrier; reports `prepared` or `prepareFailed`. */
  | { readonly do: 'prepare' }
  /** Let the vCPUs execute; reports `running` or `gone`. */
  | { readonly do: 'resume' }
  /** End QEMU and the carrier; complete when the process is gone. */
  | { readonly do: 'end' };

type Result = StepResult<TargetState, TargetEffect>;
type In<P extends TargetState['phase']> = Extract<TargetState, { phase: P }>;

/** Aborted before any attempt: whatever attempt may come is refused. */
const EVERY_EPOCH = Number.MAX_SAFE_INTEGER;

export const targetWaiting: TargetState = { phase: 'Waiting' };

/** The state after a restart, from the last record and a look at QEMU (`loaded`: paused with everything loaded). */
export function recoverTargetHandover(
  record: { readonly record: TargetRecord; readonly epoch: number; readonly reason?: string } | undefined,
  guest: 'none' | 'incoming' | 'loaded' | 'running' | 'gone',
): Stepped<TargetState, TargetEffect> {
  if (record === undefined) return { next: targetWaiting, effects: guest === 'none' ? [] : [{ do: 'end' }] };
  const { epoch } = record;
  switch (record.record) {
    case 'started':
      return guest === 'loaded'
        ? { next: { phase: 'Ready', epoch }, effects: [] }
        : aborting(epoch, 'The agent of the target node restarted during the migration');
    case 'commit':
      if (guest === 'running') return { next: { phase: 'Running', epoch }, effects: [] };
      return guest === 'loaded'
        ? { next: { phase: 'Committed', epoch }, effects: [{ do: 'resume' }] }
        : { next: { phase: 'Lost', epoch }, effects: [] };
    case 'aborted':
      return {
        next: { phase: 'Aborted', epoch, reason: record.reason ?? 'The migration was aborted' },
        effects: [{ do: 'end' }],
      };
  }
}

export function stepTarget(state: TargetState, event: TargetEvent): Result {
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
    case 'Waiting': // ended by the agent when the target pod goes away
    case 'Receiving': // bounded by the source, whose link is watched
    case 'Committed':
    case 'Running':
    case 'Lost':
    case 'Aborted':
      return undefined;
  }
}

export interface TargetDeadlines {
  readonly prepareMs: number;
  readonly inquireMs: number;
}

function otherEpoch(state: Exclude<TargetState, { phase: 'Waiting' }>, message: SourceMessage): Result {
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

function newAttempt(state: In<'Waiting' | 'Aborted'>, message: SourceMessage): Result {
  const { epoch } = message;
  switch (message.kind) {
    case 'hello':
      return {
        next: { phase: 'Preparing', epoch },
        effects: [{ do: 'journal', record: 'started', epoch }, { do: 'prepare' }],
      };
    case 'abort':
      return aborting(epoch, message.reason ?? 'The source gave up the migration');
    case 'commit':
    case 'query':
      return { next: state, effects: [send('unknown', epoch)] };
  }
}

function waiting(state: In<'Waiting'>, event: TargetEvent): Result {
  switch (event.type) {
    case 'message':
      return newAttempt(state, event.message);
    case 'abort':
      return aborting(EVERY_EPOCH, event.reason);
    case 'timeout':
    case 'peerLost':
    case 'gone':
    case 'copyFailed':
      return stay(state);
    case 'prepared':
    case 'prepareFailed':
    case 'loaded':
    case 'running':
    case 'resolve':
      return denied(state, event);
  }
}

function beforeReady(state: In<'Preparing' | 'Receiving'>, event: TargetEvent): Result {
  const { epoch } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'hello':
        case 'query':
          return { next: state, effects: state.phase === 'Receiving' ? [send('prepared', epoch)] : [] };
        case 'abort':
          return aborting(epoch, event.message.reason ?? 'The source gave up the migration');
        case 'commit':
          return denied(state, event);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'prepared':
      return state.phase === 'Preparing'
        ? { next: { phase: 'Receiving', epoch }, effects: [send('prepared', epoch)] }
        : stay(state);
    case 'loaded':
      return state.phase === 'Receiving'
        ? { next: { phase: 'Ready', epoch }, effects: [send('ready', epoch)] }
        : denied(state, event);
    case 'prepareFailed':
    case 'copyFailed':
    case 'abort':
    case 'peerLost':
      return aborting(epoch, event.reason);
    case 'gone':
      return aborting(epoch, 'The QEMU process of the target ended');
    case 'timeout':
      return state.phase === 'Preparing' ? aborting(epoch, 'Preparing the target took too long') : stay(state);
    case 'running':
    case 'resolve':
      return denied(state, event);
  }
}

function whenReady(state: In<'Ready' | 'Undecided'>, event: TargetEvent): Result {
  const { epoch } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'commit':
          return committing(epoch);
        case 'abort':
          return aborting(epoch, event.message.reason ?? 'The source gave up the migration');
        case 'hello':
        case 'query':
          return { next: { phase: 'Ready', epoch }, effects: [send('ready', epoch)] };
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'timeout':
      return { next: { phase: 'Undecided', epoch }, effects: [send('inquire', epoch)] };
    case 'abort':
      return aborting(epoch, event.reason);
    case 'gone':
      return aborting(epoch, 'The QEMU process of the target ended');
    case 'resolve':
      return state.phase === 'Undecided' ? committing(epoch) : denied(state, event);
    case 'peerLost':
    case 'copyFailed': // everything has arrived
    case 'loaded':
      return stay(state);
    case 'prepared':
    case 'prepareFailed':
    case 'running':
      return denied(state, event);
  }
}

function afterCommit(state: In<'Committed' | 'Running' | 'Lost'>, event: TargetEvent): Result {
  const { epoch } = state;
  switch (event.type) {
    case 'message':
      return { next: state, effects: [send(state.phase === 'Running' ? 'running' : 'committed', epoch)] };
    case 'running':
      return state.phase === 'Committed'
        ? { next: { phase: 'Running', epoch }, effects: [send('running', epoch)] }
        : stay(state);
    case 'gone':
      return state.phase === 'Committed'
        ? { next: { phase: 'Lost', epoch }, effects: [send('committed', epoch)] }
        : stay(state);
    case 'abort':
    case 'timeout':
    case 'peerLost':
    case 'copyFailed':
    case 'loaded':
      return stay(state);
    case 'prepared':
    case 'prepareFailed':
    case 'resolve':
      return denied(state, event);
  }
}

function afterAbort(state: In<'Aborted'>, event: TargetEvent): Result {
  switch (event.type) {
    case 'message':
      return { next: state, effects: [send('aborted', state.epoch, state.reason)] };
    case 'resolve':
      return denied(state, event);
    case 'prepared':
    case 'prepareFailed':
    case 'loaded':
    case 'running':
    case 'gone':
    case 'copyFailed':
    case 'abort':
    case 'timeout':
    case 'peerLost':
      return stay(state);
  }
}

function committing(epoch: number): Result {
  return {
    next: { phase: 'Committed', epoch },
    effects: [{ do: 'journal', record: 'commit', epoch }, { do: 'resume' }],
  };
}

function aborting(epoch: number, reason: string): Stepped<TargetState, TargetEffect> {
  return {
    next: { phase: 'Aborted', epoch, reason },
    effects: [{ do: 'end' }, { do: 'journal', record: 'aborted', epoch, reason }, send('aborted', epoch, reason)],
  };
}

function send(kind: TargetMessage['kind'], epoch: number, reason?: string): TargetEffect {
  return { do: 'send', message: reason === undefined ? { kind, epoch } : { kind, epoch, reason } };
}

function stay(state: TargetState): Result {
  return { next: state, effects: [] };
}

function denied(state: TargetState, event: TargetEvent): Result {
  const what = event.type === 'message' ? `message ${event.message.kind}` : event.type;
  return { denied: `${what} has no meaning in ${state.phase}` };
}
