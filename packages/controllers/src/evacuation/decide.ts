import {
  evacuationFailed,
  evictionRequested,
  findCondition,
  isTrue,
  names,
  withCondition,
  withoutCondition,
} from '@godwit/api';
import type { Condition, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { warning } from '../virt/planned-event.ts';
import type { PlannedEvent } from '../virt/planned-event.ts';
import type { SeenGuest } from './seen.ts';
import { stageOf } from './stage.ts';

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

/** Nobody wants the guest elsewhere, or not any more. */
function unmarked(vmi: Stored<VirtualMachineInstance>): Stored<VirtualMachineInstance> {
  const conditions = vmi.status?.conditions ?? [];
  const calm = withConditions(vmi, withoutCondition(withoutCondition(conditions, evictionRequested), evacuationFailed));
  const { [names.evictionSourceAnnotation]: source, ...annotations } = vmi.metadata.annotations ?? {};
  return source === undefined || isMarked(vmi) ? calm : { ...calm, metadata: { ...calm.metadata, annotations } };
}

/** Somebody took the node into service again: a guest that could not leave it stays. What still tries goes on. */
function isUncordoned(seen: SeenGuest): boolean {
  return seen.node !== undefined && seen.node.spec?.unschedulable !== true && !isTainted(seen);
}

function staying(vmi: Stored<VirtualMachineInstance>): Stored<VirtualMachineInstance> {
  const { evacuationNodeName: _, ...status } = vmi.status ?? {};
  return unmarked({ ...vmi, status });
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
  if (stage.failed !== undefined && isUncordoned(seen)) {
    const text = `Evacuation has ended, because node ${vmi.status?.nodeName ?? ''} is in service: ${stage.failed.why}`;
    return { next: staying(vmi), withdraw: [], events: [warning('EvacuationEnded', text)], ...mark };
  }
  const wanted = requested(stage.message);
  const failure = findCondition(conditions, evacuationFailed);
  const failed = stage.failed && {
    reason: stage.failed.reason,
    message: `${stage.failed.why}. ${stage.failed.remedy}`,
  };
  const next =
    failed === undefined
      ? withoutCondition(wanted, evacuationFailed)
      : withCondition(wanted, { type: evacuationFailed, status: 'True', ...failed }, nowMs);
  const events = [
    ...(stage.event && before?.message !== stage.message ? [warning(stage.event, stage.message)] : []),
    ...(failed !== undefined && failure?.message !== failed.message
      ? [warning('FailedMigration', `Evacuation was given up: ${failed.message}`)]
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
