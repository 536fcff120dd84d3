import type { SourceMessage, TargetMessage } from './messages.ts';
import type { StepResult, Stepped } from './step.ts';

/*
 * What the source's half of the handover (`source-handover.ts`) is, hears and does. `split`: the guest goes by post-copy,
 * so from the moment its processors' state was sent it needs the QEMUs of both sides, until all of its memory has arrived.
 */
export type SourceState =
  /** hello was sent; nothing is attached to the guest. */
  | { readonly phase: 'Preparing'; readonly epoch: number }
  /** Disks and memory travel, the guest runs. */
  | { readonly phase: 'Converging'; readonly epoch: number }
  /** The vCPUs are stopped; the watchdog counts. `sent`: QEMU sent everything; `ready`: the target loaded everything. */
  | {
      readonly phase: 'SwitchingOver';
      readonly epoch: number;
      readonly sent: boolean;
      readonly ready: boolean;
      readonly split: boolean;
    }
  /** `handing-over` is being written; no commit was sent yet. */
  | {
      readonly phase: 'Recording';
      readonly epoch: number;
      readonly abort: string | undefined;
      readonly split: boolean;
      readonly severed: boolean;
    }
  | HandingOver
  /** The target does not answer, or lost its memory: both guests are paused, a human may decide. */
  | (Omit<HandingOver, 'phase'> & { readonly phase: 'Undecided' })
  /** Post-copy: the guest is the target's, which still fetches memory from here. `severed`: the QEMU here is gone. */
  | { readonly phase: 'Serving'; readonly epoch: number; readonly asks: number; readonly severed: boolean }
  /** Bringing the guest back; the target will never be told to run. */
  | { readonly phase: 'Resuming'; readonly epoch: number; readonly reason: string; readonly settled: boolean }
  /** Final: the guest runs here. `settled`: the target has recorded `aborted`. */
  | { readonly phase: 'Resumed'; readonly epoch: number; readonly reason: string; readonly settled: boolean }
  /** Final: the guest died: with this side's QEMU before the handover, or torn between both sides by post-copy. */
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
  readonly split: boolean;
  /** The QEMU of this side is gone. */
  readonly severed: boolean;
}

export type SourceEvent =
  | { readonly type: 'message'; readonly message: TargetMessage }
  /** QEMU stopped the vCPUs at pre-switchover. */
  | { readonly type: 'paused' }
  /** QEMU reports the memory migration completed; `split`: only that the rest will be sent behind the guest. */
  | { readonly type: 'sent'; readonly split?: boolean }
  /** Mirror, memory stream, carrier or convergence failed. */
  | { readonly type: 'copyFailed'; readonly reason: string }
  | { readonly type: 'recorded' }
  | { readonly type: 'recordFailed'; readonly reason: string }
  /** Outcome of the effect `restore`. */
  | { readonly type: 'sourceRunning' }
  /** QEMU's process ended; `reason`: this side had to end it. */
  | { readonly type: 'sourceGone'; readonly reason?: string }
  | { readonly type: 'abort'; readonly reason: string }
  /** The deadline of this state passed (`sourceDeadlineMs`). */
  | { readonly type: 'timeout' }
  | { readonly type: 'peerLost'; readonly reason: string }
  /** A human says that the target is fenced for good. */
  | { readonly type: 'resolve'; readonly decision: 'resume-source' };

export type SourceRecord = 'started' | 'handing-over' | 'serving' | 'resumed' | 'lost' | 'done';

export type SourceEffect =
  | { readonly do: 'send'; readonly message: SourceMessage }
  /** Durable before the next effect. Only `handing-over` may fail (`recordFailed`: certainly not on disk). */
  | {
      readonly do: 'journal';
      readonly record: SourceRecord;
      readonly epoch: number;
      readonly reason?: string;
      readonly settled?: boolean;
      readonly split?: boolean;
    }
  /** Start mirrors and memory; reports `paused`, `sent` or `copyFailed`. */
  | { readonly do: 'copy' }
  /** Cancel memory and mirrors and make the guest run; reports `sourceRunning` or `sourceGone`. */
  | { readonly do: 'restore' }
  /** Post-copy: send what is left of the memory through a new connection, unless the present one is sound. */
  | { readonly do: 'rejoin' }
  /** The guest is gone from here: end QEMU. */
  | { readonly do: 'release' };

export type SourceResult = StepResult<SourceState, SourceEffect>;
export type SourceIn<P extends SourceState['phase']> = Extract<SourceState, { phase: P }>;

/** Questions without an answer after which a human is asked as well. */
export const ASK_LIMIT = 4;

export function resuming(epoch: number, reason: string, settled: boolean): Stepped<SourceState, SourceEffect> {
  return { next: { phase: 'Resuming', epoch, reason, settled }, effects: [{ do: 'restore' }] };
}

export function ended(
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

export function send(kind: SourceMessage['kind'], epoch: number, reason?: string): SourceEffect {
  return { do: 'send', message: reason === undefined ? { kind, epoch } : { kind, epoch, reason } };
}

export function stay(state: SourceState): SourceResult {
  return { next: state, effects: [] };
}

export function denied(state: SourceState, event: SourceEvent): SourceResult {
  const what = event.type === 'message' ? `message ${event.message.kind}` : event.type;
  return { denied: `${what} has no meaning in ${state.phase}` };
}
