import type { SourceMessage, TargetMessage } from './messages.ts';
import type { StepResult, Stepped } from './step.ts';

/**
 * The source's half of the handover.
 *
 *   Preparing ──prepared──▶ Converging ──paused──▶ SwitchingOver ──sent and ready──▶ Recording ──recorded──▶ HandingOver
 *       │                       │                       │ (watchdog)                     │                    │  │  ▲
 *       └────── any failure, abort, lost peer ──────────┴──────────── recordFailed ──────┤        unanswered  │  │  │ answered
 *                               ▼                                                        │                    ▼  │  │
 *                           Resuming ◀───────────────────── target recorded aborted ─────┼───────────────── Undecided
 *                            │     │                                                     │  (human: resume)      │
 *              guest runs    ▼     ▼  QEMU died                         target committed or runs ────────────────┤
 *                        Resumed  Lost                                                                           ▼
 *                                                                                                              Done
 * Until `handing-over` is on disk the source decides alone and every failure ends in Resumed. From then on only the
 * target's durable word moves it: `aborted` (resume) or `committed`/`running` (never run again).
 */
export type SourceState =
  /** hello was sent; nothing is attached to the guest. */
  | { readonly phase: 'Preparing'; readonly epoch: number }
  /** Disks and memory travel, the guest runs. */
  | { readonly phase: 'Converging'; readonly epoch: number }
  /** The vCPUs are stopped; the watchdog counts. `sent`: QEMU sent everything; `ready`: the target loaded everything. */
  | { readonly phase: 'SwitchingOver'; readonly epoch: number; readonly sent: boolean; readonly ready: boolean }
  /** `handing-over` is being written; no commit was sent yet. */
  | { readonly phase: 'Recording'; readonly epoch: number; readonly abort: string | undefined }
  | HandingOver
  /** The target does not answer, or lost its memory: both guests are paused, a human may decide. */
  | (Omit<HandingOver, 'phase'> & { readonly phase: 'Undecided' })
  /** Bringing the guest back; the target will never be told to run. */
  | { readonly phase: 'Resuming'; readonly epoch: number; readonly reason: string; readonly settled: boolean }
  /** Final: the guest runs here. `settled`: the target has recorded `aborted`. */
  | { readonly phase: 'Resumed'; readonly epoch: number; readonly reason: string; readonly settled: boolean }
  /** Final: this side's QEMU died before the handover, and so did the guest. */
  | { readonly phase: 'Lost'; readonly epoch: number; readonly reason: string; readonly settled: boolean }
  /** Final: the guest belongs to the target. */
  | { readonly phase: 'Done'; readonly epoch: number };

interface HandingOver {
  readonly phase: 'HandingOver';
  readonly epoch: number;
  /** Questions sent since the last answer. */
  readonly asks: number;
  /** A wish to abort that came too late to be decided here; the target decides which of commit and abort it saw first. */
  readonly abort: string | undefined;
}

export type SourceEvent =
  | { readonly type: 'message'; readonly message: TargetMessage }
  /** QEMU stopped the vCPUs at pre-switchover. */
  | { readonly type: 'paused' }
  /** QEMU reports the memory migration completed. */
  | { readonly type: 'sent' }
  /** Mirror, memory stream, carrier or convergence failed. */
  | { readonly type: 'copyFailed'; readonly reason: string }
  | { readonly type: 'recorded' }
  | { readonly type: 'recordFailed'; readonly reason: string }
  /** Outcome of the effect `restore`. */
  | { readonly type: 'sourceRunning' }
  | { readonly type: 'sourceGone' }
  | { readonly type: 'abort'; readonly reason: string }
  /** The deadline of this state passed (`sourceDeadlineMs`). */
  | { readonly type: 'timeout' }
  | { readonly type: 'peerLost'; readonly reason: string }
  /** A human says that the target is fenced for good. */
  | { readonly type: 'resolve'; readonly decision: 'resume-source' };

export type SourceRecord = 'started' | 'handing-over' | 'resumed' | 'lost' | 'done';

export type SourceEffect =
  | { readonly do: 'send'; readonly message: SourceMessage }
  /** Durable before the next effect. Only `handing-over` may fail (`recordFailed`: certainly not on disk). */
  | {
      readonly do: 'journal';
      readonly record: SourceRecord;
      readonly epoch: number;
      readonly reason?: string;
      readonly settled?: boolean;
    }
  /** Start mirrors and memory; reports `paused`, `sent` or `copyFailed`. */
  | { readonly do: 'copy' }
  /** Cancel memory and mirrors and make the guest run; reports `sourceRunning` or `sourceGone`. */
  | { readonly do: 'restore' }
  /** The guest is gone from here: end QEMU. */
  | { readonly do: 'release' };

type Result = StepResult<SourceState, SourceEffect>;
type In<P extends SourceState['phase']> = Extract<SourceState, { phase: P }>;

/** Questions without an answer after which a human is asked as well. */
export const ASK_LIMIT = 4;

export function startSourceHandover(epoch: number): Stepped<SourceState, SourceEffect> {
  return {
    next: { phase: 'Preparing', epoch },
    effects: [
      { do: 'journal', record: 'started', epoch },
      { do: 'send', message: { kind: 'hello', epoch } },
    ],
  };
}

/**
 * The state after a restart, from the last record and a look at QEMU. Without a record nothing had begun.
 * A running guest under `handing-over` proves that the target had recorded `aborted`: nothing else lets it run.
 */
export function recoverSourceHandover(
  record: {
    readonly record: SourceRecord;
    readonly epoch: number;
    readonly reason?: string;
    readonly settled?: boolean;
  },
  guest: 'running' | 'paused' | 'gone',
): Stepped<SourceState, SourceEffect> {
  const { epoch } = record;
  switch (record.record) {
    case 'started':
      return resuming(epoch, 'The agent of the source node restarted during the migration', false);
    case 'handing-over':
      if (guest === 'running') return ended('Resumed', epoch, 'The target gave up the migration', true);
      return {
        next: { phase: 'HandingOver', epoch, asks: 0, abort: undefined },
        effects: [send('query', epoch)],
      };
    case 'resumed':
    case 'lost': {
      const next = {
        phase: record.record === 'lost' ? ('Lost' as const) : ('Resumed' as const),
        epoch,
        reason: record.reason ?? 'The migration failed',
        settled: record.settled ?? false,
      };
      return { next, effects: next.settled ? [] : [send('abort', epoch, next.reason)] };
    }
    case 'done':
      return { next: { phase: 'Done', epoch }, effects: [{ do: 'release' }] };
  }
}

export function stepSource(state: SourceState, event: SourceEvent): Result {
  if (event.type === 'message' && event.message.epoch !== state.epoch) return stay(state);
  switch (state.phase) {
    case 'Preparing':
    case 'Converging':
    case 'SwitchingOver':
      return beforeRecord(state, event);
    case 'Recording':
      return recording(state, event);
    case 'HandingOver':
    case 'Undecided':
      return afterRecord(state, event);
    case 'Resuming':
      return whileResuming(state, event);
    case 'Resumed':
    case 'Lost':
      return afterFailure(state, event);
    case 'Done':
      return event.type === 'resolve' ? denied(state, event) : stay(state);
  }
}

/** Milliseconds after entering `state` at which `timeout` is due; undefined: this state waits for nothing of its own. */
export function sourceDeadlineMs(state: SourceState, policy: SourceDeadlines): number | undefined {
  switch (state.phase) {
    case 'Preparing':
      return policy.prepareMs;
    case 'SwitchingOver':
      return policy.watchdogMs;
    case 'HandingOver':
      return policy.askMs * 2 ** state.asks;
    case 'Undecided':
      return policy.askMs * 2 ** ASK_LIMIT;
    case 'Resumed':
    case 'Lost':
      return state.settled ? undefined : policy.askMs * 2 ** ASK_LIMIT;
    case 'Converging': // bounded by the convergence policy, which reports `copyFailed`
    case 'Recording':
    case 'Resuming': // bounded by their effects
    case 'Done':
      return undefined;
  }
}

export interface SourceDeadlines {
  readonly prepareMs: number;
  /** Longest time the guest stays paused before `handing-over` is recorded. */
  readonly watchdogMs: number;
  readonly askMs: number;
}

function beforeRecord(state: In<'Preparing' | 'Converging' | 'SwitchingOver'>, event: SourceEvent): Result {
  const { epoch, phase } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'prepared':
          return phase === 'Preparing'
            ? { next: { phase: 'Converging', epoch }, effects: [{ do: 'copy' }] }
            : stay(state);
        case 'ready':
          return phase === 'SwitchingOver' ? handOverWhenBoth({ ...state, ready: true }) : stay(state);
        case 'unknown':
          return phase === 'Preparing'
            ? { next: state, effects: [send('hello', epoch)] }
            : resuming(epoch, 'The target does not know this migration any more', false);
        case 'aborted':
          return resuming(epoch, event.message.reason ?? 'The target gave up the migration', true);
        case 'inquire':
          return stay(state);
        case 'committed':
        case 'running':
          return denied(state, event);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'paused':
      if (phase === 'Preparing') return denied(state, event);
      return phase === 'Converging'
        ? { next: { phase: 'SwitchingOver', epoch, sent: false, ready: false }, effects: [] }
        : stay(state);
    case 'sent':
      return phase === 'SwitchingOver' ? handOverWhenBoth({ ...state, sent: true }) : denied(state, event);
    case 'copyFailed':
      return resuming(epoch, event.reason, false);
    case 'sourceGone':
      return ended('Lost', epoch, 'The QEMU process of the source ended during the migration', false);
    case 'abort':
      return resuming(epoch, event.reason, false);
    case 'timeout':
      return phase === 'Converging' ? stay(state) : resuming(epoch, TIMEOUTS[phase], false);
    case 'peerLost':
      return resuming(epoch, event.reason, false);
    case 'recorded':
    case 'recordFailed':
    case 'sourceRunning':
    case 'resolve':
      return denied(state, event);
  }
}

const TIMEOUTS = {
  Preparing: 'The target did not get ready in time',
  SwitchingOver: 'The switchover took too long with the guest paused',
} as const;

function handOverWhenBoth(state: In<'SwitchingOver'>): Result {
  const { epoch } = state;
  if (!state.sent || !state.ready) return { next: state, effects: [] };
  return {
    next: { phase: 'Recording', epoch, abort: undefined },
    effects: [{ do: 'journal', record: 'handing-over', epoch }],
  };
}

function recording(state: In<'Recording'>, event: SourceEvent): Result {
  const { epoch, abort } = state;
  switch (event.type) {
    case 'recorded':
      return {
        next: { phase: 'HandingOver', epoch, asks: 0, abort },
        effects: [abort === undefined ? send('commit', epoch) : send('abort', epoch, abort)],
      };
    case 'recordFailed':
      return resuming(epoch, event.reason, false);
    case 'abort':
      return { next: { ...state, abort: event.reason }, effects: [] };
    case 'message':
      return event.message.kind === 'committed' || event.message.kind === 'running'
        ? denied(state, event)
        : stay(state);
    case 'copyFailed':
    case 'sourceGone':
    case 'peerLost':
    case 'timeout':
      return stay(state);
    case 'paused':
    case 'sent':
    case 'sourceRunning':
    case 'resolve':
      return denied(state, event);
  }
}

function afterRecord(state: In<'HandingOver' | 'Undecided'>, event: SourceEvent): Result {
  const { epoch, abort } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'committed':
        case 'running':
          return {
            next: { phase: 'Done', epoch },
            effects: [{ do: 'journal', record: 'done', epoch }, { do: 'release' }],
          };
        case 'aborted':
          return resuming(epoch, event.message.reason ?? 'The target gave up the migration', true);
        case 'ready':
        case 'inquire':
          return {
            next: { phase: 'HandingOver', epoch, asks: 0, abort },
            effects: [abort === undefined ? send('commit', epoch) : send('abort', epoch, abort)],
          };
        case 'unknown':
          return { next: { ...state, phase: 'Undecided' }, effects: [] };
        case 'prepared':
          return stay(state);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'timeout': {
      const asks = Math.min(ASK_LIMIT, state.asks + 1);
      const phase = asks === ASK_LIMIT ? 'Undecided' : state.phase;
      return { next: { phase, epoch, asks, abort }, effects: [send('query', epoch)] };
    }
    case 'abort': // once is enough: the answer to every question repeats it
      if (abort !== undefined) return stay(state);
      return { next: { ...state, abort: event.reason }, effects: [send('abort', epoch, event.reason)] };
    case 'resolve':
      return state.phase === 'Undecided'
        ? resuming(epoch, 'A human decided that the source runs', true)
        : denied(state, event);
    case 'peerLost': // the next question dials again
    case 'sourceGone': // the memory is on the target: it can still run there
    case 'copyFailed':
      return stay(state);
    case 'paused':
    case 'sent':
    case 'recorded':
    case 'recordFailed':
    case 'sourceRunning':
      return denied(state, event);
  }
}

function whileResuming(state: In<'Resuming'>, event: SourceEvent): Result {
  const { epoch, reason, settled } = state;
  switch (event.type) {
    case 'sourceRunning':
      return ended('Resumed', epoch, reason, settled);
    case 'sourceGone':
      return ended('Lost', epoch, reason, settled);
    case 'message':
      return event.message.kind === 'aborted' ? { next: { ...state, settled: true }, effects: [] } : stay(state);
    case 'paused':
    case 'sent':
    case 'copyFailed':
    case 'abort':
    case 'timeout':
    case 'peerLost':
      return stay(state);
    case 'recorded':
    case 'recordFailed':
    case 'resolve':
      return denied(state, event);
  }
}

function afterFailure(state: In<'Resumed' | 'Lost'>, event: SourceEvent): Result {
  const { epoch, reason, settled, phase } = state;
  switch (event.type) {
    case 'message':
      if (event.message.kind === 'aborted') {
        if (settled) return stay(state);
        const record = phase === 'Lost' ? 'lost' : 'resumed';
        return {
          next: { ...state, settled: true },
          effects: [{ do: 'journal', record, epoch, reason, settled: true }],
        };
      }
      // Whatever else the target says, it has not heard yet that this attempt is over.
      return settled ? stay(state) : { next: state, effects: [send('abort', epoch, reason)] };
    case 'timeout':
      return settled ? stay(state) : { next: state, effects: [send('abort', epoch, reason)] };
    case 'resolve':
      return denied(state, event);
    case 'paused':
    case 'sent':
    case 'copyFailed':
    case 'recorded':
    case 'recordFailed':
    case 'sourceRunning':
    case 'sourceGone':
    case 'abort':
    case 'peerLost':
      return stay(state);
  }
}

function resuming(epoch: number, reason: string, settled: boolean): Stepped<SourceState, SourceEffect> {
  return { next: { phase: 'Resuming', epoch, reason, settled }, effects: [{ do: 'restore' }] };
}

function ended(
  phase: 'Resumed' | 'Lost',
  epoch: number,
  reason: string,
  settled: boolean,
): Stepped<SourceState, SourceEffect> {
  const record: SourceEffect = { do: 'journal', record: phase === 'Lost' ? 'lost' : 'resumed', epoch, reason, settled };
  return {
    next: { phase, epoch, reason, settled },
    effects: settled ? [record] : [record, send('abort', epoch, reason)],
  };
}

function send(kind: SourceMessage['kind'], epoch: number, reason?: string): SourceEffect {
  return { do: 'send', message: reason === undefined ? { kind, epoch } : { kind, epoch, reason } };
}

function stay(state: SourceState): Result {
  return { next: state, effects: [] };
}

function denied(state: SourceState, event: SourceEvent): Result {
  const what = event.type === 'message' ? `message ${event.message.kind}` : event.type;
  return { denied: `${what} has no meaning in ${state.phase}` };
}
