import { findCondition, names, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, Pod, Stored, VirtualMachineInstanceMigration, VmimPhase } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { isFinalMigration, kindOf } from '../virt/facts.ts';
import { warning } from '../virt/planned-event.ts';
import type { PlannedEvent } from '../virt/planned-event.ts';
import {
  decideSourcePending,
  decideSourceScheduled,
  decideSourceScheduling,
  decideSync,
  decideTargetPending,
  decideTargetScheduled,
  decideTargetScheduling,
  decideUnsetAcross,
} from './cross-cluster.ts';
import { decideCancel } from './deletion.ts';
import { afterFailure, decideCleanup } from './ending.ts';
import { decideHandedOff, decideScheduled } from './handed-off.ts';
import { decidePending, decideUnset } from './pending.ts';
import { ownRecord } from './record.ts';
import { quotaCondition } from './refused-pod.ts';
import { decideScheduling, isInPlace, sourcePodOf } from './scheduling.ts';
import { fail } from './seen.ts';
import type { Effects, Instance, Migration, SeenMigration, Step } from './seen.ts';
import { desiredVerified, verifiedCondition } from './verified.ts';

export interface MigrationPlan {
  readonly next: Migration;
  readonly vmi: Instance | undefined;
  readonly createPod: Pod | undefined;
  readonly deletePods: readonly Stored<Pod>[];
  /** Its target pod, which has the guest since then and does not say so yet. */
  readonly arrived?: { readonly pod: Stored<Pod>; readonly at: string };
  readonly provision: Effects['provision'] | undefined;
  readonly forget: readonly Migration[];
  readonly events: readonly PlannedEvent[];
  /** Events about the VMI. */
  readonly vmiEvents: readonly PlannedEvent[];
  readonly requeueAfterMs: number | undefined;
}

type Status = NonNullable<VirtualMachineInstanceMigration['status']>;

function arrival(seen: SeenMigration): Pick<MigrationPlan, 'arrived'> {
  const { targetPod: pod } = seen;
  const at = ownRecord(seen)?.targetNodeDomainReadyTimestamp;
  if (!pod || at === undefined || isInPlace(seen)) return {};
  return pod.metadata.annotations?.[names.migrationTargetReadyAnnotation] === undefined ? { arrived: { pod, at } } : {};
}

function stepLocal(seen: SeenMigration, nowMs: number): Step {
  switch (seen.migration.status?.phase ?? '') {
    case '':
      return decideUnset(seen);
    case 'Pending':
      return decidePending(seen, nowMs);
    case 'Scheduling':
      return decideScheduling(seen, nowMs);
    case 'Scheduled':
      return decideScheduled(seen);
    default:
      return decideHandedOff(seen, nowMs);
  }
}

function stepAcross(seen: SeenMigration, nowMs: number): Step {
  const source = kindOf(seen.migration) === 'source';
  switch (seen.migration.status?.phase ?? '') {
    case '':
      return decideUnsetAcross(seen);
    case 'Synchronizing':
    case 'WaitingForSync':
      return decideSync(seen, nowMs);
    case 'Pending':
      return source ? decideSourcePending(seen, nowMs) : decideTargetPending(seen, nowMs);
    case 'Scheduling':
      return source ? decideSourceScheduling(seen, nowMs) : decideTargetScheduling(seen, nowMs);
    case 'Scheduled':
      return source ? decideSourceScheduled(seen, nowMs) : decideTargetScheduled(seen);
    default:
      return decideHandedOff(seen, nowMs);
  }
}

function enterPhase(status: Status, phase: VmimPhase, nowMs: number): void {
  status.phase = phase;
  const seen = status.phaseTransitionTimestamps ?? [];
  if (seen.some((entry) => entry.phase === phase)) return;
  status.phaseTransitionTimestamps = [...seen, { phase, phaseTransitionTimestamp: rfc3339(nowMs) }];
}

function conditionsAfter(seen: SeenMigration, step: Step, nowMs: number): readonly Condition[] {
  const { migration, vmi } = seen;
  let conditions: readonly Condition[] = migration.status?.conditions ?? [];
  // Its time tells since when this very reason holds, which some limits count from.
  if (step.go === 'wait' && findCondition(conditions, 'migrationWaiting')?.reason !== step.reason)
    conditions = withoutCondition(conditions, 'migrationWaiting');
  const set = (type: string, condition: Condition | undefined): void => {
    conditions = condition ? withCondition(conditions, condition, nowMs) : withoutCondition(conditions, type);
  };
  set(
    'migrationWaiting',
    step.go === 'wait'
      ? { type: 'migrationWaiting', status: 'True', reason: step.reason, message: step.message }
      : undefined,
  );
  if (step.go === 'enter') set(quotaCondition, undefined);
  if (step.go === 'fail')
    set('migrationFailed', { type: 'migrationFailed', status: 'True', reason: step.reason, message: step.message });
  if (migration.metadata.deletionTimestamp !== undefined) {
    set('migrationAbortRequested', {
      type: 'migrationAbortRequested',
      status: 'True',
      reason: 'Deleted',
      message: 'The migration object was deleted',
    });
  }
  set(verifiedCondition, desiredVerified(migration));
  const blocked = vmi?.status?.conditions?.find((one) => one.type === 'DecentralizedLiveMigrationFailure');
  if (kindOf(migration) !== 'local') {
    const shown = blocked?.status === 'True' && step.go === 'wait';
    set('decentralizedMigrationBlocked', shown ? { ...blocked, type: 'decentralizedMigrationBlocked' } : undefined);
  }
  return conditions;
}

function finish(seen: SeenMigration, next: Migration, status: Status): void {
  const record = ownRecord(seen);
  if (record) status.migrationState = structuredClone(record);
  const finalizers = next.metadata.finalizers ?? [];
  next.metadata.finalizers = finalizers.filter((one) => one !== names.migrationFinalizer);
}

/** A final migration: copy the record, release the object, and clean up after it. */
function decideFinal(seen: SeenMigration, next: Migration, nowMs: number): MigrationPlan {
  const status = (next.status ??= {});
  finish(seen, next, status);
  const conditions = withoutCondition(status.conditions ?? [], 'migrationWaiting');
  const verified = desiredVerified(next);
  status.conditions = [...(verified ? withCondition(conditions, verified, nowMs) : conditions)];
  const cleanup = decideCleanup(seen);
  return {
    next,
    vmi: cleanup.vmi,
    createPod: undefined,
    deletePods: cleanup.deletePods,
    ...arrival(seen),
    provision: undefined,
    forget: cleanup.forget,
    events: [],
    vmiEvents: [],
    requeueAfterMs: undefined,
  };
}

/** Everything one migration needs from its controller in one pass; at most one phase forward. */
export function decideMigration(seen: SeenMigration, nowMs: number): MigrationPlan {
  const { migration } = seen;
  const next = structuredClone(migration);
  const status = (next.status ??= {});
  if (seen.synchronizationAddresses.length > 0) status.synchronizationAddresses = [...seen.synchronizationAddresses];
  if (isFinalMigration(migration)) return decideFinal(seen, next, nowMs);
  const deleted = migration.metadata.deletionTimestamp !== undefined;
  const finalizers = migration.metadata.finalizers ?? [];
  if (!deleted && !finalizers.includes(names.migrationFinalizer))
    next.metadata.finalizers = [...finalizers, names.migrationFinalizer];
  const across = kindOf(migration) !== 'local';
  let step = deleted ? decideCancel(seen, nowMs) : across ? stepAcross(seen, nowMs) : stepLocal(seen, nowMs);
  if (migration.spec.vmiName === undefined || migration.spec.vmiName === '')
    step = fail('Invalid', 'spec.vmiName is empty');
  status.conditions = [...conditionsAfter(seen, step, nowMs)];
  let { vmi } = step;
  const said =
    step.go === 'wait' && findCondition(migration.status?.conditions, 'migrationWaiting')?.reason === step.reason;
  const events = said ? [] : [...(step.events ?? [])];
  const vmiEvents = said ? [] : [...(step.vmiEvents ?? [])];
  if (step.go === 'enter') {
    enterPhase(status, step.phase, nowMs);
    if (step.phase === 'Scheduling') {
      const sourcePod = sourcePodOf(seen)?.metadata.name;
      status.migrationState = {
        ...(sourcePod === undefined ? {} : { sourcePod }),
        ...(step.method === undefined ? {} : { method: step.method }),
      };
    }
  }
  if (step.go === 'fail') {
    enterPhase(status, 'Failed', nowMs);
    vmi = afterFailure(seen, step.message, nowMs) ?? vmi;
    const failed = warning('FailedMigration', `${step.reason}: ${step.message}`);
    events.push(failed);
    vmiEvents.push(failed);
  }
  return {
    next,
    vmi,
    createPod: step.createPod,
    deletePods: step.deletePods ?? [],
    ...arrival(seen),
    provision: step.provision,
    forget: [],
    events,
    vmiEvents,
    requeueAfterMs: step.go === 'wait' ? step.requeueAfterMs : undefined,
  };
}
