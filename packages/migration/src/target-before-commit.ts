import {
  aborting,
  denied,
  EVERY_EPOCH,
  send,
  stay,
  withArrival,
  type Arrival,
  type TargetEvent,
  type TargetIn,
  type TargetResult,
} from './target-states.ts';
import type { SourceMessage } from './messages.ts';

export function newAttempt(state: TargetIn<'Waiting' | 'Aborted'>, message: SourceMessage): TargetResult {
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
    case 'severed':
      return { next: state, effects: [send('unknown', epoch)] };
  }
}

export function waiting(state: TargetIn<'Waiting'>, event: TargetEvent): TargetResult {
  switch (event.type) {
    case 'message':
      return newAttempt(state, event.message);
    case 'abort':
      return aborting(EVERY_EPOCH, event.reason);
    case 'endGuest': // it is not here
    case 'timeout':
    case 'peerLost':
    case 'gone':
    case 'copyFailed':
      return stay(state);
    case 'prepared':
    case 'prepareFailed':
    case 'listening':
    case 'loaded':
    case 'torn':
    case 'rejoined':
    case 'running':
    case 'resolve':
      return denied(state, event);
  }
}

export function beforeReady(state: TargetIn<'Preparing' | 'Receiving'>, event: TargetEvent): TargetResult {
  const { epoch } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'hello':
        case 'query':
          return { next: state, effects: state.phase === 'Receiving' ? [send('prepared', epoch)] : [] };
        case 'abort':
          return aborting(epoch, event.message.reason ?? 'The source gave up the migration');
        case 'severed':
          return aborting(epoch, SEVERED);
        case 'commit':
          return denied(state, event);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'prepared':
      return state.phase === 'Preparing'
        ? { next: { phase: 'Receiving', epoch }, effects: [send('prepared', epoch)] }
        : stay(state);
    case 'listening':
      return state.phase === 'Receiving' ? ready(epoch, 'partial') : denied(state, event);
    case 'loaded':
      return state.phase === 'Receiving' ? ready(epoch, undefined) : denied(state, event);
    case 'prepareFailed':
    case 'copyFailed':
    case 'torn':
    case 'abort':
    case 'peerLost':
      return aborting(epoch, event.reason);
    case 'gone':
      return aborting(epoch, `The QEMU process of the target ended${event.lost ?? ''}`);
    case 'timeout':
      return state.phase === 'Preparing' ? aborting(epoch, 'Preparing the target took too long') : stay(state);
    case 'rejoined': // for the first time
    case 'endGuest': // it is not here
      return stay(state);
    case 'running':
    case 'resolve':
      return denied(state, event);
  }
}

export function whenReady(state: TargetIn<'Ready' | 'Undecided'>, event: TargetEvent): TargetResult {
  const { epoch, postCopy } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'commit':
          return committing(epoch, postCopy);
        case 'abort':
          return aborting(epoch, event.message.reason ?? 'The source gave up the migration');
        case 'severed':
          return postCopy === 'partial' ? aborting(epoch, SEVERED) : ready(epoch, postCopy);
        case 'hello':
        case 'query':
          return ready(epoch, postCopy);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'timeout':
      // By post-copy QEMU holds the disks already, so that a source which takes its guest back must wait for this; it may say
      // so only afterwards, and a network that swallows everything does not tell either that its QEMU has let go.
      if (state.phase === 'Undecided' && postCopy !== undefined)
        return aborting(epoch, 'The source did not say who runs the guest');
      return { next: { ...state, phase: 'Undecided' }, effects: [send('inquire', epoch)] };
    case 'abort':
      return aborting(epoch, event.reason);
    case 'torn':
      return postCopy === 'partial' ? aborting(epoch, event.reason) : stay(state);
    case 'gone':
      return aborting(epoch, `The QEMU process of the target ended${event.lost ?? ''}`);
    case 'resolve':
      return state.phase === 'Undecided' && postCopy !== 'partial' ? committing(epoch, postCopy) : denied(state, event);
    case 'loaded':
      return postCopy === 'partial' ? { next: { ...state, postCopy: 'whole' }, effects: [] } : stay(state);
    case 'peerLost':
    case 'copyFailed': // everything has arrived, or `torn` follows
    case 'listening':
    case 'rejoined':
    case 'endGuest': // it is not here yet
      return stay(state);
    case 'prepared':
    case 'prepareFailed':
    case 'running':
      return denied(state, event);
  }
}

const SEVERED = 'The QEMU process of the source ended before all memory had arrived';

function ready(epoch: number, postCopy: Arrival | undefined): TargetResult {
  return { next: { phase: 'Ready', epoch, ...withArrival(postCopy) }, effects: [send('ready', epoch)] };
}

function committing(epoch: number, postCopy: Arrival | undefined): TargetResult {
  return {
    next: { phase: 'Committed', epoch, ...withArrival(postCopy) },
    effects: [{ do: 'journal', record: 'commit', epoch, ...withArrival(postCopy) }, { do: 'resume' }],
  };
}
