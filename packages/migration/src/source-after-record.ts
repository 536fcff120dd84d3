import { diedInPostCopy } from './died.ts';
import {
  ASK_LIMIT,
  denied,
  ended,
  resuming,
  send,
  stay,
  type SourceEffect,
  type SourceEvent,
  type SourceIn,
  type SourceResult,
} from './source-states.ts';

/** From `handing-over` on only the target's durable word moves the source. */
export function afterRecord(state: SourceIn<'HandingOver' | 'Undecided'>, event: SourceEvent): SourceResult {
  const { epoch, abort, split, severed } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'committed':
        case 'running':
          return split ? serving(epoch, severed, ask(epoch, severed)) : done(epoch);
        case 'torn':
          return serving(epoch, severed, rejoin(epoch, severed));
        case 'whole':
          return done(epoch);
        case 'lost':
          return torn(epoch, event.message.reason);
        case 'aborted':
          return resuming(epoch, event.message.reason ?? 'The target gave up the migration', true);
        case 'ready':
        case 'inquire':
          return {
            next: { phase: 'HandingOver', epoch, asks: 0, abort, split, severed },
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
      return { next: { ...state, phase, asks }, effects: [ask(epoch, severed)] };
    }
    case 'abort': // once is enough: the answer to every question repeats it
      if (abort !== undefined) return stay(state);
      return { next: { ...state, abort: event.reason }, effects: [send('abort', epoch, event.reason)] };
    case 'resolve':
      return state.phase === 'Undecided'
        ? resuming(epoch, 'A human decided that the source runs', true)
        : denied(state, event);
    case 'sourceGone': // all memory on the target: it can still run there
      return split && !severed
        ? { next: { ...state, severed: true }, effects: [send('severed', epoch, event.reason)] }
        : stay(state);
    case 'peerLost': // the next question dials again
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

/** The guest belongs to the target, whatever happens; only the target knows whether it has all of it. */
export function whileServing(state: SourceIn<'Serving'>, event: SourceEvent): SourceResult {
  const { epoch, asks, severed } = state;
  switch (event.type) {
    case 'message':
      switch (event.message.kind) {
        case 'whole':
          return done(epoch);
        case 'lost':
          return torn(epoch, event.message.reason);
        case 'torn':
          return { next: { ...state, asks: 0 }, effects: [rejoin(epoch, severed)] };
        case 'committed':
        case 'running':
          return asks === 0 ? stay(state) : { next: { ...state, asks: 0 }, effects: [] };
        case 'prepared': // late
        case 'ready':
        case 'inquire':
        case 'unknown':
          return stay(state);
        case 'aborted':
          return denied(state, event);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'timeout':
      return { next: { ...state, asks: Math.min(ASK_LIMIT, asks + 1) }, effects: [ask(epoch, severed)] };
    case 'sourceGone':
      return severed
        ? stay(state)
        : { next: { ...state, severed: true }, effects: [send('severed', epoch, event.reason)] };
    case 'resolve':
      return asks === ASK_LIMIT
        ? torn(epoch, diedInPostCopy('A human ended the target while memory was still on the source'))
        : denied(state, event);
    case 'abort': // too late
    case 'peerLost': // the next question dials again
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

export function whileResuming(state: SourceIn<'Resuming'>, event: SourceEvent): SourceResult {
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

export function afterFailure(state: SourceIn<'Resumed' | 'Lost'>, event: SourceEvent): SourceResult {
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

function done(epoch: number): SourceResult {
  return {
    next: { phase: 'Done', epoch },
    effects: [{ do: 'journal', record: 'done', epoch }, { do: 'release' }],
  };
}

function serving(epoch: number, severed: boolean, then: SourceEffect): SourceResult {
  return {
    next: { phase: 'Serving', epoch, asks: 0, severed },
    effects: [{ do: 'journal', record: 'serving', epoch }, then],
  };
}

function rejoin(epoch: number, severed: boolean): SourceEffect {
  return severed ? ask(epoch, severed) : { do: 'rejoin' };
}

function torn(epoch: number, reason = diedInPostCopy('The target says no more')): SourceResult {
  return {
    next: { phase: 'Lost', epoch, reason, settled: true },
    effects: [{ do: 'release' }, { do: 'journal', record: 'lost', epoch, reason, settled: true }],
  };
}

/** Where are you? With a QEMU that is gone that is a question of life and death. */
function ask(epoch: number, severed: boolean): SourceEffect {
  return send(severed ? 'severed' : 'query', epoch);
}
