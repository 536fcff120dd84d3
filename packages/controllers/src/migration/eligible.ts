import { leavingVolumes, names } from '@godwit/api';
import { isFinalVmi, isUnderway, kindOf } from '../virt/facts.ts';
import { warning } from '../virt/planned-event.ts';
import { wantsVolumeMigration } from '../virtual-machine-instance/conditions.ts';
import { recentFailures } from './backoff.ts';
import { agentsEngaged, withRecord } from './record.ts';
import { fail, wait } from './seen.ts';
import type { Instance, Migration, SeenMigration, Step } from './seen.ts';
import { remainingMs } from './timing.ts';

const POLL_MS = 5_000;

/** Nobody asked for it by hand, so it backs off after failures. */
function isAutomatic(migration: Migration): boolean {
  const annotations = migration.metadata.annotations ?? {};
  return (
    annotations[names.workloadUpdateMigrationAnnotation] !== undefined ||
    annotations[names.evacuationMigrationAnnotation] !== undefined
  );
}

/** Why the VMI can never be moved by this migration; undefined while it still may. */
export function lostGuest(seen: SeenMigration): Step | undefined {
  const { vmi, migration } = seen;
  if (!vmi) return fail('VMINotFound', `VMI ${migration.spec.vmiName ?? ''} does not exist`);
  if (vmi.metadata.deletionTimestamp !== undefined) return fail('VMIDeleted', 'The VMI is being deleted');
  if (isFinalVmi(vmi)) return fail('VMIFinal', `The VMI is ${vmi.status?.phase ?? ''}`);
  return undefined;
}

/** A record whose migration object is gone is ended by the node agents before another move may take its place. */
function abandonedRecord(seen: SeenMigration, vmi: Instance): Step | undefined {
  const state = vmi.status?.migrationState;
  if (!state || !isUnderway(state) || !agentsEngaged(state)) return undefined;
  if (state.migrationUid === seen.migration.metadata.uid) return undefined;
  const message = `Waits for node ${state.sourceNode ?? ''} to end an earlier migration whose object is gone`;
  const asked = state.abortRequested ? {} : { vmi: withRecord(vmi, { ...state, abortRequested: true }) };
  return wait('OtherMigration', message, { ...asked, requeueAfterMs: POLL_MS });
}

/** What must be true of a running guest before it takes part in the queue. Receivers have no guest yet. */
export function notEligible(seen: SeenMigration, vmi: Instance, nowMs: number): Step | undefined {
  const { migration, timeouts } = seen;
  if (vmi.status?.phase !== 'Running') {
    const left = remainingMs(migration, timeouts.guestMs, nowMs);
    if (left <= 0)
      return fail('VMINotRunning', `The VMI did not start running in time (it is ${vmi.status?.phase || 'unset'})`);
    return wait('VMINotRunning', `Waits for the VMI to run (it is ${vmi.status?.phase || 'unset'})`, {
      requeueAfterMs: left,
    });
  }
  const state = vmi.status.migrationState;
  const owner = seen.rivals.find((rival) => rival.metadata.uid === state?.migrationUid);
  if (owner && isUnderway(state))
    return wait('OtherMigration', `Waits for migration ${owner.metadata.name} to end`, { requeueAfterMs: POLL_MS });
  const abandoned = abandonedRecord(seen, vmi);
  if (abandoned) return abandoned;
  const leaving = leavingVolumes(vmi);
  if (leaving.length > 0) {
    const left = remainingMs(migration, timeouts.guestMs, nowMs);
    if (left <= 0) return fail('VolumesLeaving', `The guest has not lost volumes in time: ${leaving.join(', ')}`);
    const message = `Waits until the guest has lost volumes that are being taken away: ${leaving.join(', ')}`;
    return wait('VolumesLeaving', message, { requeueAfterMs: Math.min(left, POLL_MS) });
  }
  const announced = (vmi.status.migratedVolumes ?? []).length > 0;
  if (kindOf(migration) === 'local' && announced && !wantsVolumeMigration(vmi)) {
    return wait('VolumesChangeIncomplete', 'Waits until the VMI names the target volumes', { requeueAfterMs: POLL_MS });
  }
  if (!announced && migration.metadata.labels?.[names.volumeUpdateMigrationLabel] !== undefined) {
    return fail('VolumesChangeWithdrawn', 'The volumes are not to be changed any more');
  }
  if (isAutomatic(migration)) {
    const { count, delayMs } = recentFailures(seen.finished, nowMs);
    if (delayMs > 0) {
      return wait('MigrationBackoff', `Waits ${Math.ceil(delayMs / 1000)} s after ${count} failed migrations`, {
        requeueAfterMs: delayMs,
        vmiEvents: [
          warning(
            'MigrationBackoff',
            `Migration ${migration.metadata.name} backs off after ${count} failed migrations`,
          ),
        ],
      });
    }
  }
  return undefined;
}
