import {
  denied,
  ended,
  resuming,
  send,
  stay,
  type SourceEvent,
  type SourceIn,
  type SourceResult,
} from './source-states.ts';

/** Until `handing-over` is on disk the source decides alone, and every failure gives the guest back. */
export function beforeRecord(
  state: SourceIn<'Preparing' | 'Converging' | 'SwitchingOver'>,
  event: SourceEvent,
): SourceResult {
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
        case 'whole':
        case 'torn':
        case 'lost':
          return denied(state, event);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'paused':
      if (phase === 'Preparing') return denied(state, event);
      return phase === 'Converging'
        ? { next: { phase: 'SwitchingOver', epoch, sent: false, ready: false, split: false }, effects: [] }
        : stay(state);
    case 'sent':
      return phase === 'SwitchingOver'
        ? handOverWhenBoth({ ...state, sent: true, split: event.split === true })
        : denied(state, event);
    case 'copyFailed':
      return resuming(epoch, event.reason, false);
    case 'sourceGone':
      return ended('Lost', epoch, 'The QEMU process of the source ended during the migration', false);
    case 'abort':
      return resuming(epoch, event.reason, false);
    case 'timeout':
      return state.phase === 'Converging' ? stay(state) : resuming(epoch, tooLate(state), false);
    case 'peerLost':
      return resuming(epoch, event.reason, false);
    case 'recorded':
    case 'recordFailed':
    case 'sourceRunning':
    case 'resolve':
      return denied(state, event);
  }
}

function tooLate(state: SourceIn<'Preparing' | 'SwitchingOver'>): string {
  if (state.phase === 'Preparing') return 'The target did not get ready in time';
  const missing = state.sent ? 'the target does not say that it has everything' : 'not everything got to the target';
  return `The switchover took too long with the guest paused: ${missing}`;
}

function handOverWhenBoth(state: SourceIn<'SwitchingOver'>): SourceResult {
  const { epoch, split } = state;
  if (!state.sent || !state.ready) return { next: state, effects: [] };
  return {
    next: { phase: 'Recording', epoch, abort: undefined, split, severed: false },
    effects: [{ do: 'journal', record: 'handing-over', epoch, ...(split && { split }) }],
  };
}

export function recording(state: SourceIn<'Recording'>, event: SourceEvent): SourceResult {
  const { epoch, abort, split, severed } = state;
  switch (event.type) {
    case 'recorded':
      return {
        next: { phase: 'HandingOver', epoch, asks: 0, abort, split, severed },
        effects: [abort === undefined ? send('commit', epoch) : send('abort', epoch, abort)],
      };
    case 'recordFailed':
      return resuming(epoch, event.reason, false);
    case 'abort':
      return { next: { ...state, abort: event.reason }, effects: [] };
    case 'message':
      switch (event.message.kind) {
        case 'committed':
        case 'running':
        case 'whole':
        case 'torn':
        case 'lost':
          return denied(state, event);
        case 'prepared':
        case 'ready':
        case 'aborted':
        case 'unknown':
        case 'inquire':
          return stay(state);
      }
    // oxlint-disable-next-line no-fallthrough -- every kind returned above
    case 'sourceGone':
      return split ? { next: { ...state, severed: true }, effects: [] } : stay(state);
    case 'copyFailed':
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
