import { findCondition } from '@godwit/api';
import type { VmimPhase } from '@godwit/api';
import { isFinalMigration } from '../virt/facts.ts';
import { gauge } from '@godwit/core/exposition';
import type { Family, Sample } from '@godwit/core/exposition';
import { countBy } from './seen.ts';
import type { SeenCluster } from './seen.ts';

type Migration = SeenCluster['migrations'][number];

const PHASES: readonly VmimPhase[] = [
  'WaitingForSync',
  'Synchronizing',
  'Pending',
  'Scheduling',
  'Scheduled',
  'PreparingTarget',
  'TargetReady',
  'Running',
  'Succeeded',
  'Failed',
];
/** From the moment that a target exists; KubeVirt counts all of these as running. */
const RUNNING: readonly string[] = ['Scheduled', 'PreparingTarget', 'TargetReady', 'Running'];
const PRIORITIES = ['system-critical', 'user-triggered', 'system-maintenance', 'none'] as const;

const phaseOf = (migration: Migration): string => migration.status?.phase ?? '';

function samples(label: string, counts: ReadonlyMap<string, number>): Sample[] {
  return [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function counted(name: string, help: string, value: number): Family {
  return gauge(name, help, [{ labels: {}, value }]);
}

function phases({ migrations }: SeenCluster): Family[] {
  const inPhase = (...wanted: readonly string[]): number =>
    migrations.filter((one) => wanted.includes(phaseOf(one))).length;
  return [
    counted('kubevirt_vmi_migrations_in_unset_phase', 'Migrations that nobody has looked at yet', inPhase('')),
    counted(
      'kubevirt_vmi_migrations_in_pending_phase',
      'Migrations that wait for a slot or a node',
      inPhase('Pending'),
    ),
    counted('kubevirt_vmi_migrations_in_scheduling_phase', 'Migrations whose target is made', inPhase('Scheduling')),
    counted(
      'kubevirt_vmi_migrations_in_running_phase',
      'Migrations that have a target and have not ended',
      inPhase(...RUNNING),
    ),
    gauge(
      'godwit_migrations',
      'Migrations by phase, those that have ended and are kept included',
      samples(
        'phase',
        countBy(migrations, (one) => phaseOf(one) || 'unset', ['unset', ...PHASES]),
      ),
    ),
  ];
}

function outcomes({ migrations }: SeenCluster): Family[] {
  const ended = (phase: VmimPhase): Sample[] =>
    migrations
      .filter((one) => phaseOf(one) === phase)
      .map(({ metadata: { name, namespace = '' }, spec }) => ({
        labels: { vmi: spec.vmiName ?? '', vmim: name, namespace },
        value: 1,
      }));
  return [
    gauge('kubevirt_vmi_migration_succeeded', 'The migration has succeeded', ended('Succeeded')),
    gauge('kubevirt_vmi_migration_failed', 'The migration has failed', ended('Failed')),
  ];
}

/** Of the last migration of every VMI. */
function times({ instances, migrations }: SeenCluster): Family[] {
  const starts: Sample[] = [];
  const ends: Sample[] = [];
  const names = new Map(migrations.map(({ metadata }) => [metadata.uid, metadata.name]));
  for (const { metadata, status } of instances) {
    const state = status?.migrationState;
    if (state === undefined) continue;
    const labels = {
      node: status?.nodeName ?? '',
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      migration_name: names.get(state.migrationUid ?? '') ?? 'none',
    };
    const add = (to: Sample[], time: string | undefined, more: Record<string, string> = {}): void => {
      const value = Date.parse(time ?? '') / 1000;
      if (Number.isFinite(value)) to.push({ labels: { ...labels, ...more }, value });
    };
    add(starts, state.startTimestamp);
    const outcome = state.failed ? 'failed' : state.completed ? 'succeeded' : '';
    if (outcome !== '') add(ends, state.endTimestamp, { status: outcome });
  }
  return [
    gauge('kubevirt_vmi_migration_start_time_seconds', 'When the copy of the last migration began', starts),
    gauge('kubevirt_vmi_migration_end_time_seconds', 'When the last migration ended', ends),
  ];
}

function waiting({ migrations }: SeenCluster): Family[] {
  const unfinished = migrations.filter((one) => !isFinalMigration(one));
  const reasonOf = (one: Migration): string | undefined => {
    const condition = findCondition(one.status?.conditions, 'migrationWaiting');
    return condition?.status === 'True' ? condition.reason : undefined;
  };
  const queued = migrations.filter((one) => phaseOf(one) === 'Pending');
  return [
    gauge(
      'godwit_migration_queue_length',
      'Migrations in the queue, by their priority',
      samples(
        'priority',
        countBy(queued, (one) => one.spec.priority ?? 'none', PRIORITIES),
      ),
    ),
    gauge(
      'godwit_migrations_waiting',
      'Unfinished migrations by what they wait for: the reason of their condition migrationWaiting',
      samples('reason', countBy(unfinished, reasonOf)),
    ),
  ];
}

/** Figures of migrations as the objects show them. */
export function migrationFamilies(seen: SeenCluster): Family[] {
  return [...phases(seen), ...outcomes(seen), ...times(seen), ...waiting(seen)];
}
