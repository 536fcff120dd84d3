import { findCondition, isFalse, isTrue, names, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { recentFailures } from '../migration/backoff.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { normal, warning } from '../virt/planned-event.ts';
import type { PlannedEvent } from '../virt/planned-event.ts';
import { wantsVolumeMigration } from '../virtual-machine-instance/conditions.ts';

/** Attempts before a volume change is left alone; as many finished migrations as are kept. */
export const maxAttempts = 5;
const MAX_LABEL = 63;
/** A claim that gets bound wakes nobody here. */
const LOOK_AGAIN_MS = 5_000;

/** Condition of a VMI whose volume change is not tried again by itself. */
export const exhaustedCondition = 'VolumeMigrationFailed';

export interface SeenUpdate {
  readonly vmi: Stored<VirtualMachineInstance>;
  readonly migrations: readonly Stored<VirtualMachineInstanceMigration>[];
  readonly methods: readonly string[];
  /** Every new volume can be reached from the guest's node: the guest need not leave it. */
  readonly inPlace?: boolean;
  /** The VM asks that the disks of both sides be compared. */
  readonly verify?: boolean;
}

export interface UpdatePlan {
  readonly next: Stored<VirtualMachineInstance>;
  readonly create?: VirtualMachineInstanceMigration;
  readonly abort: readonly Stored<VirtualMachineInstanceMigration>[];
  readonly events: readonly PlannedEvent[];
  readonly requeueAfterMs?: number;
}

function isOurs(migration: VirtualMachineInstanceMigration): boolean {
  return migration.metadata.annotations?.[names.workloadUpdateMigrationAnnotation] !== undefined;
}

/** The migration this controller asks for when volumes are to change. */
export function renderUpdate(vmi: Stored<VirtualMachineInstance>, verify = false): VirtualMachineInstanceMigration {
  const { name, uid, namespace = '' } = vmi.metadata;
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: {
      generateName: 'kubevirt-workload-update-',
      namespace,
      annotations: {
        [names.workloadUpdateMigrationAnnotation]: '',
        ...(verify && { [names.verifyAnnotation]: 'true' }),
      },
      labels: {
        [names.volumeUpdateMigrationLabel]: name.length > MAX_LABEL ? uid : name,
        [names.vmiNameLabel]: name,
      },
    },
    spec: { vmiName: name, priority: 'user-triggered' },
  };
}

/**
 * Whether a migration that this controller asked for has lost its purpose. One that has begun to copy and shows no sign
 * of being taken back is finishing: its agent removes the wish just before it reports success.
 */
function lostItsPurpose(seen: SeenUpdate, migration: Stored<VirtualMachineInstanceMigration>): boolean {
  if (!isOurs(migration) || migration.metadata.deletionTimestamp !== undefined) return false;
  const change = findCondition(seen.vmi.status?.conditions, 'VolumesChange');
  if (change?.status === 'True') return false;
  const state = seen.vmi.status?.migrationState;
  const record = state?.migrationUid === migration.metadata.uid ? state : undefined;
  if (record?.completed || record?.targetNodeDomainReadyTimestamp) return false;
  return change !== undefined || record?.startTimestamp === undefined;
}

function withVolumesChange(
  vmi: Stored<VirtualMachineInstance>,
  conditions: readonly Condition[],
): Stored<VirtualMachineInstance> {
  return conditions === vmi.status?.conditions
    ? vmi
    : { ...vmi, status: { ...vmi.status, conditions: [...conditions] } };
}

/** Turns a VMI's wish for other volumes into a migration; never evicts the guest for it. */
export function decideUpdate(seen: SeenUpdate, nowMs: number): UpdatePlan {
  const { vmi, migrations, methods } = seen;
  const conditions = vmi.status?.conditions ?? [];
  const calm = withVolumesChange(vmi, withoutCondition(conditions, exhaustedCondition));
  const unfinished = migrations.filter((one) => !isFinalMigration(one));
  const abort = unfinished.filter((one) => lostItsPurpose(seen, one));
  const events = abort.map((one) =>
    normal('SuccessfulChangeAbortion', `Aborted migration ${one.metadata.name}, the change is not wanted any more`),
  );
  const change = findCondition(conditions, 'VolumesChange');
  const wanted = isTrue(conditions, 'VolumesChange') && wantsVolumeMigration(vmi);
  if (!wanted || vmi.status?.phase !== 'Running' || vmi.metadata.deletionTimestamp !== undefined)
    return { next: calm, abort, events };
  if (unfinished.length > 0) return { next: calm, abort, events };
  const ask = (reason: string, message: string): Stored<VirtualMachineInstance> =>
    withVolumesChange(
      calm,
      withCondition(calm.status?.conditions ?? [], { type: 'VolumesChange', status: 'True', reason, message }, nowMs),
    );
  if (!methods.includes('LiveMigrate')) {
    const message =
      'Nobody migrates the VM by itself: add LiveMigrate to spec.workloadUpdateStrategy.workloadUpdateMethods of the KubeVirt object, or create a VirtualMachineInstanceMigration';
    return { next: ask('NotAutomated', message), abort, events };
  }
  // Disks of one node only keep the guest there, which a move in place does not mind; the migration finds out whether
  // it is one. Anything else the node agent has to find settled before.
  const blocked = findCondition(conditions, 'LiveMigratable');
  const disksOnly = blocked?.reason === 'DisksNotLiveMigratable' && !isFalse(conditions, 'StorageLiveMigratable');
  if (blocked?.status === 'False' && !disksOnly && !seen.inPlace) {
    const message = `${blocked.reason ?? ''}: ${blocked.message ?? ''}`;
    return { next: ask('NotLiveMigratable', message), abort, events, requeueAfterMs: LOOK_AGAIN_MS };
  }
  const finished = migrations.filter(isFinalMigration);
  const wishedMs = Date.parse(change?.lastTransitionTime ?? '') || 0;
  const failures = recentFailures(finished, nowMs, { sinceMs: wishedMs, record: vmi.status?.migrationState });
  const { count, lastClass } = failures;
  if (count >= maxAttempts || lastClass?.permanent) {
    const attempts = count === 1 ? 'The attempt' : `${count} attempts`;
    const why = `${lastClass?.name ?? ''}: ${failures.lastReason ?? 'no reason given'}`;
    const exhausted: Condition = {
      type: exhaustedCondition,
      status: 'True',
      reason: lastClass?.permanent ? lastClass.name : 'RetriesExhausted',
      message: `${attempts} failed, the last with ${why}. Set the volumes back, or remove the cause and create a VirtualMachineInstanceMigration`,
    };
    const next = withVolumesChange(vmi, withCondition(conditions, exhausted, nowMs));
    const first = findCondition(conditions, exhaustedCondition) === undefined;
    return { next, abort, events: first ? [...events, warning('FailedMigration', exhausted.message ?? '')] : events };
  }
  if (failures.delayMs > 0) {
    const withdraw = lastClass?.name === 'Aborted' ? '. To withdraw the change, set the volumes back' : '';
    const message = `Attempt ${failures.count} failed: ${failures.lastReason ?? 'no reason given'}; tries again${withdraw}`;
    const told = change?.reason === 'MigrationBackoff' ? [] : [warning('MigrationBackoff', message)];
    return {
      next: ask('MigrationBackoff', message),
      abort,
      events: [...events, ...told],
      requeueAfterMs: failures.delayMs,
    };
  }
  return {
    next: ask('VolumesChanged', 'Volumes are to be moved to other claims'),
    create: renderUpdate(vmi, seen.verify),
    abort,
    events,
  };
}
