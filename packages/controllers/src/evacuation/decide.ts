import {
  evacuationFailed,
  evictionRequested,
  findCondition,
  isFalse,
  isTrue,
  names,
  withCondition,
  withoutCondition,
} from '@godwit/api';
import type { Condition, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { recentFailures } from '../migration/backoff.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { warning } from '../virt/planned-event.ts';
import type { PlannedEvent } from '../virt/planned-event.ts';
import { maxAttempts } from '../workload-update/decide.ts';
import type { SeenGuest } from './seen.ts';

const NAME = 'kubevirt-evacuation-';

type Migration = Stored<VirtualMachineInstanceMigration>;

export interface EvacuationPlan {
  readonly next: Stored<VirtualMachineInstance>;
  readonly create?: VirtualMachineInstanceMigration;
  /** Have not begun, and have lost their purpose. */
  readonly withdraw: readonly Migration[];
  /** What the pod's annotation for deschedulers has to become; absent when it is right. */
  readonly markPod?: 'true' | null;
  readonly events: readonly PlannedEvent[];
  readonly requeueAfterMs?: number;
}

/** A migration that this controller made. */
export function isEvacuation(migration: Migration): boolean {
  return (
    migration.metadata.name.startsWith(NAME) &&
    migration.metadata.annotations?.[names.evacuationMigrationAnnotation] !== undefined
  );
}

/** The migration that takes a guest off its node. */
export function renderEvacuation(vmi: Stored<VirtualMachineInstance>, node: string): VirtualMachineInstanceMigration {
  const { name, namespace = '', annotations } = vmi.metadata;
  const byDescheduler = annotations?.[names.evictionSourceAnnotation] === 'descheduler';
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: {
      generateName: NAME,
      namespace,
      annotations: { [names.evacuationMigrationAnnotation]: node },
      labels: { [names.vmiNameLabel]: name },
    },
    spec: { vmiName: name, priority: byDescheduler ? 'system-maintenance' : 'system-critical' },
  };
}

function isMarked({ status }: Stored<VirtualMachineInstance>): boolean {
  return status?.evacuationNodeName !== undefined && status.evacuationNodeName === status.nodeName;
}

function isTainted({ node, drainTaintKey }: SeenGuest): boolean {
  return (node?.spec?.taints ?? []).some(({ key, effect }) => key === drainTaintKey && effect === 'NoSchedule');
}

/** Whether the guest is to leave its node, and by whose work. */
function wishOf(seen: SeenGuest): 'ours' | 'external' | 'none' {
  const { vmi, strategy } = seen;
  if (vmi.status?.phase !== 'Running' || vmi.metadata.deletionTimestamp !== undefined) return 'none';
  if (isMarked(vmi) && strategy === 'External') return 'external';
  if (strategy !== 'LiveMigrate' && strategy !== 'LiveMigrateIfPossible') return 'none';
  const possible = strategy === 'LiveMigrate' || isTrue(vmi.status.conditions, 'LiveMigratable');
  return isMarked(vmi) || (isTainted(seen) && possible) ? 'ours' : 'none';
}

function withConditions(
  vmi: Stored<VirtualMachineInstance>,
  conditions: readonly Condition[],
): Stored<VirtualMachineInstance> {
  return conditions === (vmi.status?.conditions ?? [])
    ? vmi
    : { ...vmi, status: { ...vmi.status, conditions: [...conditions] } };
}

/** What becomes of a guest that is to leave: a migration now, or why none. */
interface Stage {
  readonly message: string;
  readonly create?: true;
  /** Given up: the reason and the message of a condition. */
  readonly failed?: { readonly reason: string; readonly message: string };
  readonly event?: 'MigrationBackoff';
  readonly requeueAfterMs?: number;
}

function stageOf(seen: SeenGuest, wishedSinceMs: number, nowMs: number): Stage {
  const { vmi, node, migrations } = seen;
  const conditions = vmi.status?.conditions;
  const unfinished = migrations.find((one) => !isFinalMigration(one));
  if (unfinished) return { message: `VMI is marked for eviction; migration ${unfinished.metadata.name} moves it` };
  if (!isTrue(conditions, 'LiveMigratable')) {
    const why = findCondition(conditions, 'LiveMigratable');
    return {
      message: isFalse(conditions, 'LiveMigratable')
        ? `VMI is marked for eviction, but cannot be live-migrated: ${why?.reason ?? ''}: ${why?.message ?? ''}`
        : 'VMI is marked for eviction; waits to know whether it can be live-migrated',
    };
  }
  if (node && !isTrue(node.status?.conditions, 'Ready'))
    return {
      message: `VMI is marked for eviction; waits for node ${node.metadata.name} to be ready, which has its guest`,
    };
  const finished = migrations.filter(isFinalMigration);
  const tried = recentFailures(finished, nowMs, wishedSinceMs);
  if (tried.count >= maxAttempts || tried.lastClass?.permanent) {
    const attempts = tried.count === 1 ? 'A migration' : `${tried.count} migrations`;
    return {
      message: 'VMI is marked for eviction, which was given up',
      failed: {
        reason: tried.lastClass?.permanent ? tried.lastClass.name : 'RetriesExhausted',
        message: `${attempts} failed, the last with: ${tried.lastReason ?? 'no reason given'}. Remove the cause, then delete the failed migrations to have it tried again, or shut the VM down`,
      },
    };
  }
  const { count, delayMs, lastReason } = recentFailures(finished, nowMs);
  if (delayMs > 0) {
    return {
      message: `VMI is marked for eviction; migration failed ${count === 1 ? 'once' : `${count} times`}, the last time with: ${lastReason ?? 'no reason given'}; tries again`,
      event: 'MigrationBackoff',
      requeueAfterMs: delayMs,
    };
  }
  if (seen.underway >= seen.most)
    return { message: 'VMI is marked for eviction; waits for others that leave the node before it' };
  return { message: 'VMI is marked for eviction', create: true };
}

/** Nobody wants the guest elsewhere, or not any more. */
function unmarked(vmi: Stored<VirtualMachineInstance>): Stored<VirtualMachineInstance> {
  const conditions = vmi.status?.conditions ?? [];
  const calm = withConditions(vmi, withoutCondition(withoutCondition(conditions, evictionRequested), evacuationFailed));
  const { [names.evictionSourceAnnotation]: source, ...annotations } = vmi.metadata.annotations ?? {};
  return source === undefined || isMarked(vmi) ? calm : { ...calm, metadata: { ...calm.metadata, annotations } };
}

function withdrawn(migrations: readonly Migration[]): Migration[] {
  return migrations.filter(
    (one) =>
      isEvacuation(one) &&
      ['', 'Pending'].includes(one.status?.phase ?? '') &&
      one.metadata.deletionTimestamp === undefined,
  );
}

function markOf({ pod, vmi }: SeenGuest): 'true' | null | undefined {
  if (!pod) return undefined;
  const has = pod.metadata.annotations?.[names.evictionInProgressAnnotation] !== undefined;
  if (isMarked(vmi) === has) return undefined;
  return has ? null : 'true';
}

/** What to do about one guest for its node to become empty. Never shuts a guest down: that is left to the eviction itself. */
export function decideEvacuation(seen: SeenGuest, nowMs: number): EvacuationPlan {
  const { vmi, migrations } = seen;
  const conditions = vmi.status?.conditions ?? [];
  const markPod = markOf(seen);
  const mark = markPod === undefined ? {} : { markPod };
  const wish = wishOf(seen);
  if (wish === 'none') {
    return { next: unmarked(vmi), withdraw: withdrawn(migrations), events: [], ...mark };
  }
  const before = findCondition(conditions, evictionRequested);
  const requested = (message: string): readonly Condition[] =>
    withCondition(conditions, { type: evictionRequested, status: 'True', reason: evictionRequested, message }, nowMs);
  if (wish === 'external') {
    const marked = withoutCondition(
      requested('VMI is marked for eviction; its strategy leaves the move to others'),
      evacuationFailed,
    );
    return { next: withConditions(vmi, marked), withdraw: withdrawn(migrations), events: [], ...mark };
  }
  const wishedSinceMs = before?.status === 'True' ? Date.parse(before.lastTransitionTime ?? '') || 0 : nowMs;
  const stage = stageOf(seen, wishedSinceMs, nowMs);
  const wanted = requested(stage.message);
  const failure = findCondition(conditions, evacuationFailed);
  const next =
    stage.failed === undefined
      ? withoutCondition(wanted, evacuationFailed)
      : withCondition(wanted, { type: evacuationFailed, status: 'True', ...stage.failed }, nowMs);
  const events = [
    ...(stage.event && before?.message !== stage.message ? [warning(stage.event, stage.message)] : []),
    ...(stage.failed !== undefined && failure?.message !== stage.failed.message
      ? [warning('FailedMigration', `Evacuation was given up: ${stage.failed.message}`)]
      : []),
  ];
  return {
    next: withConditions(vmi, next),
    withdraw: [],
    events,
    ...mark,
    ...(stage.create && { create: renderEvacuation(vmi, vmi.status?.nodeName ?? '') }),
    ...(stage.requeueAfterMs !== undefined && { requeueAfterMs: stage.requeueAfterMs }),
  };
}
