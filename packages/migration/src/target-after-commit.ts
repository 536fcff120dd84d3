import type { TargetMessage } from './messages.ts';
import {
  denied,
  ending,
  losing,
  REJOIN_LIMIT,
  send,
  stay,
  withArrival,
  type TargetEvent,
  type TargetIn,
  type TargetResult,
} from './target-states.ts';

export function afterCommit(state: TargetIn<'Committed' | 'Running' | 'Lost'>, event: TargetEvent): TargetResult {
  const { epoch, phase, postCopy } = state;
  const needsSource = phase !== 'Lost' && (postCopy === 'partial' || postCopy === 'torn');
  switch (event.type) {
    case 'message':
      if (event.message.kind === 'severed' && needsSource)
        return losing(
          epoch,
          event.message.reason ?? 'The QEMU process of the source ended before all memory had arrived',
        );
      return answer(state);
    case 'running':
      return phase === 'Committed' ? answer({ ...state, phase: 'Running' }) : stay(state);
    case 'loaded':
      if (!needsSource) return stay(state);
      return phase === 'Running'
        ? answer({ phase, epoch, postCopy: 'whole' })
        : { next: { phase, epoch, postCopy: 'whole' }, effects: [] };
    case 'torn':
      return needsSource ? rejoining({ phase, epoch, postCopy: 'torn' }) : stay(state);
    case 'rejoined':
      return postCopy === 'torn' && needsSource
        ? { next: { phase, epoch, postCopy: 'partial' }, effects: [] }
        : stay(state);
    case 'timeout': {
      if (phase === 'Lost' || postCopy !== 'torn') return stay(state);
      const tries = (state.tries ?? 0) + 1;
      return tries < REJOIN_LIMIT
        ? rejoining({ ...state, tries })
        : losing(epoch, 'The connection to the source broke before all memory had arrived');
    }
    case 'gone':
      if (needsSource) return losing(epoch, 'The QEMU process of the target ended before all memory had arrived');
      return phase === 'Committed' ? answer({ phase: 'Lost', epoch, ...withArrival(postCopy) }) : stay(state);
    case 'endGuest': // whole it is its node's to end
      return needsSource ? ending(epoch, event.reason) : stay(state);
    case 'abort':
    case 'peerLost':
    case 'copyFailed':
    case 'listening':
      return stay(state);
    case 'prepared':
    case 'prepareFailed':
    case 'resolve':
      return denied(state, event);
  }
}

export function rejoining(next: TargetIn<'Committed' | 'Running'>) {
  return { next, effects: [{ do: 'rejoin' } as const, send('torn', next.epoch)] };
}

function answer(next: TargetIn<'Committed' | 'Running' | 'Lost'>): TargetResult {
  const reason = next.phase === 'Lost' ? next.reason : undefined;
  return { next, effects: [send(word(next), next.epoch, reason)] };
}

/** What the source needs to know: with `committed` and `running` its QEMU may still be wanted, in post-copy. */
function word({ phase, postCopy }: TargetIn<'Committed' | 'Running' | 'Lost'>): TargetMessage['kind'] {
  switch (phase) {
    case 'Committed':
      return postCopy === 'torn' ? 'torn' : 'committed';
    case 'Running':
      return postCopy === 'whole' || postCopy === 'torn' ? postCopy : 'running';
    case 'Lost':
      return postCopy === undefined ? 'committed' : 'lost';
  }
}

export function afterAbort(state: TargetIn<'Aborted'>, event: TargetEvent): TargetResult {
  switch (event.type) {
    case 'message':
      return { next: state, effects: [send('aborted', state.epoch, state.reason)] };
    case 'resolve':
      return denied(state, event);
    case 'prepared':
    case 'prepareFailed':
    case 'listening':
    case 'loaded':
    case 'torn':
    case 'rejoined':
    case 'running':
    case 'gone':
    case 'copyFailed':
    case 'abort':
    case 'endGuest':
    case 'timeout':
    case 'peerLost':
      return stay(state);
  }
}
