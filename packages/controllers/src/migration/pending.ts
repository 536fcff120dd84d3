import { findCondition, names } from '@godwit/api';
import { isFinalVmi, isUnderway, kindOf } from '../virt/facts.ts';
import { normal } from '../virt/planned-event.ts';
import { wantsVolumeMigration } from '../virtual-machine-instance/conditions.ts';
import { renderLauncherPod } from '../virtual-machine-instance/render-launcher-pod.ts';
import { recentFailures } from './backoff.ts';
import { chooseMethod } from './in-place.ts';
import { enter, fail, wait } from './seen.ts';
import type { Instance, Migration, SeenMigration, Step } from './seen.ts';
import { remainingMs } from './timing.ts';

const POLL_MS = 5_000;
const CONDITION_SETTLES_MS = 10_000;

function isAutomatic(migration: Migration): boolean {
  const annotations = migration.metadata.annotations ?? {};
  return (
    annotations[names.workloadUpdateMigrationAnnotation] !== undefined ||
    annotations[names.evacuationMigrationAnnotation] !== undefined
  );
}

/** The first phase: is there something to move, and does nobody else move it? */
export function decideUnset(seen: SeenMigration): Step {
  const { migration, vmi, rivals } = seen;
  const rival = rivals.find(
    (other) =>
      (other.status?.phase ?? '') !== '' || other.metadata.creationTimestamp < migration.metadata.creationTimestamp,
  );
  if (rival) return fail('MigrationInProgress', `Migration ${rival.metadata.name} is moving this VMI already`);
  if (!vmi) return fail('VMINotFound', `VMI ${migration.spec.vmiName ?? ''} does not exist`);
  return enter('Pending');
}

/** Why the VMI can never be moved by this migration; undefined while it still may. */
export function lostGuest(seen: SeenMigration): Step | undefined {
  const { vmi, migration } = seen;
  if (!vmi) return fail('VMINotFound', `VMI ${migration.spec.vmiName ?? ''} does not exist`);
  if (vmi.metadata.deletionTimestamp !== undefined) return fail('VMIDeleted', 'The VMI is being deleted');
  if (isFinalVmi(vmi)) return fail('VMIFinal', `The VMI is ${vmi.status?.phase ?? ''}`);
  return undefined;
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
      });
    }
  }
  return undefined;
}

function targetPodStep(seen: SeenMigration, vmi: Instance): Step {
  const acceleration = seen.sourceNode?.metadata.labels?.[names.accelerationLabel];
  const createPod = renderLauncherPod(vmi, {
    migration: seen.migration,
    apartFromOwnPods: true,
    ...(acceleration === undefined ? {} : { requiredNodeLabels: { [names.accelerationLabel]: acceleration } }),
  });
  return wait('CreatingTargetPod', `Creates target pod ${createPod.metadata.name ?? ''}`, {
    createPod,
    events: [normal('SuccessfulCreate', `Created migration target pod ${createPod.metadata.name ?? ''}`)],
  });
}

/** Queue, then the choice between copying in place and a second QEMU elsewhere. */
export function decidePending(seen: SeenMigration, nowMs: number): Step {
  const lost = lostGuest(seen);
  if (lost) return lost;
  // The cast is safe: lostGuest answers for an absent VMI.
  const vmi = seen.vmi as Instance;
  if (seen.targetPod) return enter('Scheduling');
  const held = notEligible(seen, vmi, nowMs);
  if (held) return held;
  const choice = chooseMethod(seen, vmi);
  if (choice.method === 'undecided') {
    const left = remainingMs(seen.migration, seen.timeouts.pendingPodMs, nowMs);
    if (left <= 0) return fail('TargetVolumeNotBound', choice.message);
    return wait('TargetVolumeNotBound', choice.message, { requeueAfterMs: left });
  }
  const admission = seen.admission();
  if (!admission.admitted) return wait(admission.reason, admission.message, { requeueAfterMs: POLL_MS });
  if (choice.method === 'OtherNode') {
    const blocked = findCondition(vmi.status?.conditions, 'LiveMigratable');
    if (blocked?.status === 'False') {
      // The node agent looks again after volumes were announced; what it said before that is not its last word.
      const leftMs = remainingMs(seen.migration, CONDITION_SETTLES_MS, nowMs);
      if ((vmi.status?.migratedVolumes ?? []).length > 0 && leftMs > 0)
        return wait('NotLiveMigratable', `${blocked.reason ?? ''}: ${blocked.message ?? ''}`, {
          requeueAfterMs: leftMs,
        });
      return fail('NotLiveMigratable', `${blocked.reason ?? 'NotLiveMigratable'}: ${blocked.message ?? ''}`);
    }
    return targetPodStep(seen, vmi);
  }
  return enter('Scheduling', {
    method: 'InPlace',
    ...(choice.provision.length > 0
      ? { provision: { claims: choice.provision, node: vmi.status?.nodeName ?? '' } }
      : {}),
  });
}
