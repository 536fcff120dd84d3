import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { render } from '@godwit/core/exposition';
import { migrationFamilies } from './migration-families.ts';
import type { SeenCluster } from './seen.ts';

type Phase = Parameters<typeof storedMigration>[1] extends { phase?: infer P } | undefined ? P : never;

function waitingFor(name: string, phase: Phase, reason: string): ReturnType<typeof storedMigration> {
  const migration = storedMigration(name, { phase });
  migration.status = { ...migration.status, conditions: [condition('migrationWaiting', 'True', { reason })] };
  return migration;
}

async function lines(seen: Partial<SeenCluster>): Promise<string[]> {
  const nothing: SeenCluster = {
    migrations: [],
    instances: [],
    machines: [],
    kubeVirt: undefined,
    claim: () => undefined,
  };
  return (await render(migrationFamilies({ ...nothing, ...seen }))).text.split('\n');
}

describe('figures of migrations [SLM 62]', () => {
  it('count phases as KubeVirt does, and each for itself', async () => {
    const phases = [
      'Pending',
      'Pending',
      'Scheduling',
      'Scheduled',
      'PreparingTarget',
      'TargetReady',
      'Running',
    ] as const;
    const migrations = [
      storedMigration('new'),
      ...phases.map((phase, index) => storedMigration(`m${index}`, { phase })),
    ];
    const text = await lines({ migrations });
    expect(text).toEqual(
      expect.arrayContaining([
        '# TYPE kubevirt_vmi_migrations_in_pending_phase gauge',
        'kubevirt_vmi_migrations_in_unset_phase 1',
        'kubevirt_vmi_migrations_in_pending_phase 2',
        'kubevirt_vmi_migrations_in_scheduling_phase 1',
        'kubevirt_vmi_migrations_in_running_phase 4',
        'godwit_migrations{phase="unset"} 1',
        'godwit_migrations{phase="Running"} 1',
        'godwit_migrations{phase="Failed"} 0',
      ]),
    );
  });

  it('name what has ended, and how', async () => {
    const migrations = [storedMigration('good', { phase: 'Succeeded' }), storedMigration('bad', { phase: 'Failed' })];
    const text = await lines({ migrations });
    expect(text).toContain('kubevirt_vmi_migration_succeeded{vmi="vm1",vmim="good",namespace="default"} 1');
    expect(text).toContain('kubevirt_vmi_migration_failed{vmi="vm1",vmim="bad",namespace="default"} 1');
    expect(text.filter((line) => /^kubevirt_vmi_migration_(succeeded|failed)\{/.test(line))).toHaveLength(2);
  });

  it.each<[string, NonNullable<VirtualMachineInstance['status']>['migrationState'], readonly string[]]>([
    ['has not begun', { migrationUid: 'uid-m1' }, []],
    [
      'runs',
      { migrationUid: 'uid-m1', startTimestamp: '2026-01-01T00:00:00Z' },
      ['start_time_seconds{node="n1",namespace="default",name="vm1",migration_name="m1"} 1767225600'],
    ],
    [
      'has succeeded, its object gone',
      { migrationUid: 'gone', completed: true, endTimestamp: '2026-01-01T00:00:10Z' },
      [
        'end_time_seconds{node="n1",namespace="default",name="vm1",migration_name="none",status="succeeded"} 1767225610',
      ],
    ],
    [
      'has failed',
      { migrationUid: 'uid-m1', completed: true, failed: true, endTimestamp: '2026-01-01T00:00:10Z' },
      ['end_time_seconds{node="n1",namespace="default",name="vm1",migration_name="m1",status="failed"} 1767225610'],
    ],
  ])('tell the times of one that %s', async (_, migrationState, wanted) => {
    const instance: Stored<VirtualMachineInstance> = storedVmi({
      nodeName: 'n1',
      ...(migrationState && { migrationState }),
    });
    const text = await lines({ instances: [instance], migrations: [storedMigration('m1')] });
    expect(text.filter((line) => /^kubevirt_vmi_migration_(start|end)_time/.test(line))).toEqual(
      wanted.map((line) => `kubevirt_vmi_migration_${line}`),
    );
  });

  it('tell the length of the queue and what is waited for', async () => {
    const migrations = [
      waitingFor('a', 'Pending', 'ClusterLimitReached'),
      waitingFor('b', 'Pending', 'ClusterLimitReached'),
      waitingFor('c', 'Running', 'Migrating'),
      waitingFor('d', 'Failed', 'Aborting'),
      storedMigration('e', { phase: 'Pending', spec: { priority: 'system-critical' } }),
    ];
    const text = await lines({ migrations });
    expect(text).toEqual(
      expect.arrayContaining([
        'godwit_migration_queue_length{priority="system-critical"} 1',
        'godwit_migration_queue_length{priority="user-triggered"} 0',
        'godwit_migration_queue_length{priority="none"} 2',
        'godwit_migrations_waiting{reason="ClusterLimitReached"} 2',
        'godwit_migrations_waiting{reason="Migrating"} 1',
      ]),
    );
    expect(text.join('\n')).not.toContain('reason="Aborting"');
  });
});
