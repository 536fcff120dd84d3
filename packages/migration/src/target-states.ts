import { diedInPostCopy } from './died.ts';
import type { SourceMessage, TargetMessage } from './messages.ts';
import type { StepResult, Stepped } from './step.ts';

/**
 * How the memory of a guest that comes by post-copy stands; absent: it came before the guest was stopped.
 * `partial`: the processors' state is loaded, memory still comes from the source's QEMU. `torn`: the stream broke, and both
 * sides are being joined again. `whole`: all of it has arrived.
 */
export type Arrival = 'partial' | 'torn' | 'whole';

/** What the target's half of the handover (`target-handover.ts`) is, hears and does. */
export type TargetState =
  | { readonly phase: 'Waiting' }
  | { readonly phase: 'Preparing'; readonly epoch: number }
  /** QEMU waits for memory, its exports are open. */
  | { readonly phase: 'Receiving'; readonly epoch: number }
  /** Everything is loaded; paused. */
  | { readonly phase: 'Ready'; readonly epoch: number; readonly postCopy?: Arrival }
  /** As Ready, but the source is silent: a human may decide. */
  | { readonly phase: 'Undecided'; readonly epoch: number; readonly postCopy?: Arrival }
  /** The commit is on disk: only this side may run. With memory missing QEMU may not be able to before it is joined again. */
  | { readonly phase: 'Committed'; readonly epoch: number; readonly postCopy?: Arrival; readonly tries?: number }
  /** Final, unless memory is still to come. `tries`: to join a torn stream. */
  | { readonly phase: 'Running'; readonly epoch: number; readonly postCopy?: Arrival; readonly tries?: number }
  /** Final: committed, but QEMU died, or had to end because the rest of the guest's memory will not come. */
  | { readonly phase: 'Lost'; readonly epoch: number; readonly postCopy?: Arrival; readonly reason?: string }
  | { readonly phase: 'Aborted'; readonly epoch: number; readonly reason: string };

export type TargetEvent =
  | { readonly type: 'message'; readonly message: SourceMessage }
  | { readonly type: 'prepared' }
  | { readonly type: 'prepareFailed'; readonly reason: string }
  /** Post-copy: QEMU has what it needs to run, is paused, and fetches the rest of memory. */
  | { readonly type: 'listening' }
  /** QEMU reports the incoming migration completed; before the commit it is paused. */
  | { readonly type: 'loaded' }
  /** Post-copy: the stream broke before everything had come. */
  | { readonly type: 'torn'; readonly reason: string }
  /** Post-copy: memory comes again. */
  | { readonly type: 'rejoined' }
  /** Outcome of the effect `resume`. */
  | { readonly type: 'running' }
  /** QEMU's process ended; `lost` is said behind that, in brackets: the connection that it lost before. */
  | { readonly type: 'gone'; readonly lost?: string }
  /** The carrier or the stream failed. */
  | { readonly type: 'copyFailed'; readonly reason: string }
  | { readonly type: 'abort'; readonly reason: string }
  /** The guest itself is to end, wherever it runs. */
  | { readonly type: 'endGuest'; readonly reason: string }
  | { readonly type: 'timeout' }
  | { readonly type: 'peerLost'; readonly reason: string }
  /** A human says that the source is fenced for good. */
  | { readonly type: 'resolve'; readonly decision: 'run-target' };

export type TargetRecord = 'started' | 'commit' | 'aborted';

export type TargetEffect =
  | { readonly do: 'send'; readonly message: TargetMessage }
  | {
      readonly do: 'journal';
      readonly record: TargetRecord;
      readonly epoch: number;
      readonly reason?: string;
      readonly postCopy?: Arrival;
    }
  /** Volumes, QEMU, exports, carrier; reports `prepared` or `prepareFailed`. */
  | { readonly do: 'prepare' }
  /** Let the vCPUs execute; reports `running` or `gone`, and keeps nothing else waiting: QEMU may need missing memory for it. */
  | { readonly do: 'resume' }
  /** Post-copy: wait for the source on a new connection, which `torn` tells it about. */
  | { readonly do: 'rejoin' }
  /** End QEMU and the carrier; complete when the process is gone. */
  | { readonly do: 'end' };

export type TargetResult = StepResult<TargetState, TargetEffect>;
export type TargetIn<P extends TargetState['phase']> = Extract<TargetState, { phase: P }>;

/** How often a torn stream is tried to be joined; then the guest is given up. */
export const REJOIN_LIMIT = 60;

/** Aborted before any attempt: whatever attempt may come is refused. */
export const EVERY_EPOCH = Number.MAX_SAFE_INTEGER;

export const withArrival = (postCopy: Arrival | undefined) => (postCopy === undefined ? {} : { postCopy });

export function aborting(epoch: number, reason: string): Stepped<TargetState, TargetEffect> {
  return {
    next: { phase: 'Aborted', epoch, reason },
    effects: [{ do: 'end' }, { do: 'journal', record: 'aborted', epoch, reason }, send('aborted', epoch, reason)],
  };
}

/**
 * The guest has started here without all of its memory, and dies for want of it. QEMU ends before the source hears of it, and
 * its end proves the loss: a commit whose QEMU is gone is `Lost` for any later agent as well.
 */
export function losing(epoch: number, why: string): Stepped<TargetState, TargetEffect> {
  return ending(epoch, diedInPostCopy(why));
}

/** As `losing`, because somebody wants it so. */
export function ending(epoch: number, reason: string): Stepped<TargetState, TargetEffect> {
  return {
    next: { phase: 'Lost', epoch, postCopy: 'partial', reason },
    effects: [{ do: 'end' }, send('lost', epoch, reason)],
  };
}

export function send(kind: TargetMessage['kind'], epoch: number, reason?: string): TargetEffect {
  return { do: 'send', message: reason === undefined ? { kind, epoch } : { kind, epoch, reason } };
}

export function stay(state: TargetState): TargetResult {
  return { next: state, effects: [] };
}

export function denied(state: TargetState, event: TargetEvent): TargetResult {
  const what = event.type === 'message' ? `message ${event.message.kind}` : event.type;
  return { denied: `${what} has no meaning in ${state.phase}` };
}
