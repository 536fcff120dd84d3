import { ASK_LIMIT, REJOIN_LIMIT, type SourceState, type TargetState } from '@godwit/migration';
import { GodwitError } from '@godwit/core/errors';
import { DEADLINES } from './deadlines.ts';
import type { MigrationIdentity, SideStatus } from './types.ts';

/** What a side of a handover says of itself. */
export function sourceStatus(state: SourceState): SideStatus {
  switch (state.phase) {
    case 'Undecided':
      return {
        phase: state.phase,
        undecided: true,
        message:
          'The target does not answer after the handover began: the guest is paused on both sides until it does or a human decides',
      };
    case 'Serving': {
      const message = 'The guest runs on the target, which still fetches memory from here';
      return state.asks < ASK_LIMIT
        ? { phase: state.phase, undecided: false, message }
        : { phase: state.phase, undecided: true, message: `${message}, and does not answer` };
    }
    case 'Resuming':
    case 'Resumed':
    case 'Lost':
      return { phase: state.phase, undecided: false, message: state.reason };
    case 'Preparing':
    case 'Converging':
    case 'SwitchingOver':
    case 'Recording':
    case 'HandingOver':
    case 'Done':
      return { phase: state.phase, undecided: false };
  }
}

const ARRIVAL = {
  partial: 'The guest runs here, but still fetches memory from its source',
  torn: 'The guest runs here, but the connection on which it fetched memory from its source broke; it is made again',
} as const;

/** The guest is here, whether or not QEMU has let it run yet. */
export function isCommitted(state: TargetState): state is Extract<TargetState, { phase: 'Committed' | 'Running' }> {
  return state.phase === 'Committed' || state.phase === 'Running';
}

/** Why a guest may stand still on its target, and for how long at most. */
export function tornHindrance(state: TargetState): string | undefined {
  if (!isCommitted(state) || state.postCopy !== 'torn') return undefined;
  const givenUpS = Math.round((REJOIN_LIMIT * DEADLINES.target.rejoinMs) / 1000);
  return `${ARRIVAL.torn}; should that not succeed within ${givenUpS} s, the guest is given up`;
}

export function targetStatus(state: TargetState): SideStatus {
  switch (state.phase) {
    case 'Undecided':
      return {
        phase: state.phase,
        undecided: true,
        message:
          'Everything has arrived, but the source does not say who runs the guest: it stays paused until it does or a human decides',
      };
    case 'Aborted':
      return { phase: state.phase, undecided: false, message: state.reason };
    case 'Running': {
      const { phase, postCopy } = state;
      const message = postCopy === undefined || postCopy === 'whole' ? undefined : ARRIVAL[postCopy];
      return { phase, undecided: false, ...(message !== undefined && { message }) };
    }
    case 'Waiting':
    case 'Preparing':
    case 'Receiving':
    case 'Ready':
    case 'Committed':
    case 'Lost':
      return { phase: state.phase, undecided: false };
  }
}

/** Throws MIGRATION_NOT_UNDECIDED: a human may decide only what the two sides cannot. */
export function requireUndecided({ undecided, phase }: SideStatus, { id }: MigrationIdentity): void {
  if (!undecided) throw new GodwitError('MIGRATION_NOT_UNDECIDED', `Migration ${id} needs no decision in ${phase}`);
}
