import type { VmiMigrationState } from '@godwit/api';
import { normal } from '../virt/planned-event.ts';
import { endOfRecord, requestAbort } from './handed-off.ts';
import { agentsEngaged, closedRecord, ownRecord, withRecord } from './record.ts';
import { enter, fail, wait } from './seen.ts';
import type { Instance, SeenMigration, Step } from './seen.ts';

export const abortedMessage = 'Live migration has been aborted';

/** Phases in which the VMI may carry a record that somebody acts on. */
const HANDED_OFF: readonly (string | undefined)[] = [
  'Scheduling',
  'Scheduled',
  'PreparingTarget',
  'TargetReady',
  'Running',
];

/**
 * A deleted migration is a wish to cancel it, in any phase. What node agents may have begun is ended by them alone: the
 * object stays until their record says how it ended, which may still be success.
 */
export function decideCancel(seen: SeenMigration, nowMs: number): Step {
  const { migration } = seen;
  const state = HANDED_OFF.includes(migration.status?.phase) ? ownRecord(seen) : undefined;
  if (!state || !seen.vmi) return aborted(seen);
  if (state.completed || state.failed) {
    const ended = endOfRecord(seen, state, nowMs);
    if (ended?.go === 'enter') return enter('Succeeded', { events: ended.events ?? [] });
    return ended ?? aborted(seen);
  }
  if (agentsEngaged(state)) {
    const step = requestAbort(seen, state, 'Aborting', 'The migration is to be aborted');
    return state.abortRequested
      ? step
      : { ...step, events: [normal('SuccessfulAbortMigration', 'Migration is ready to be canceled')] };
  }
  return closeFirst(seen, seen.vmi, state, nowMs);
}

function closeFirst(seen: SeenMigration, vmi: Instance, state: VmiMigrationState, nowMs: number): Step {
  return wait('Aborting', abortedMessage, {
    vmi: withRecord(vmi, closedRecord(state, seen.migration, abortedMessage, true, nowMs)),
  });
}

function aborted(seen: SeenMigration): Step {
  return fail('Aborted', abortedMessage, seen.targetPod ? { deletePods: [seen.targetPod] } : {});
}
