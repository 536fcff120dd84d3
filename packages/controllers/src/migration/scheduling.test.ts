import type { Pod, Stored } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { node } from '../testing/objects.ts';
import { storedMigration, storedPod } from '../virt/testing/objects.ts';
import { decideMigration } from './decide.ts';
import type { MigrationPlan } from './decide.ts';
import { createdMs, seenMigration } from './testing/seen.ts';

const minutes = (count: number): number => createdMs + count * 60_000;
const migration = storedMigration('m', { phase: 'Scheduling' });

function target(status: NonNullable<Pod['status']>, on?: string): Stored<Pod> {
  const pod = storedPod('target', on === undefined ? {} : { node: on });
  return { ...pod, status };
}
const unschedulable = target({
  phase: 'Pending',
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/2 nodes are available.' }],
});
const notReady = target(
  { phase: 'Running', conditions: [{ type: 'Ready', status: 'False', message: 'no image' }] },
  'n2',
);

function look(targetPod: Stored<Pod> | undefined, nowMs: number, changes: object = {}): MigrationPlan {
  return decideMigration(seenMigration({ migration, targetPod, ...changes }), nowMs);
}
const reasonOf = ({ next }: MigrationPlan): string | undefined =>
  next.status?.conditions?.find((one) => one.type.startsWith('migration'))?.reason;

describe('a target pod that', () => {
  it('fits no node is told in an event and given up after five minutes, pod and all [SLM 35]', () => {
    const waiting = look(unschedulable, minutes(4));
    expect(waiting.next.status?.phase).toBe('Scheduling');
    expect(waiting.events).toContainEqual(
      expect.objectContaining({ type: 'Warning', reason: 'migrationTargetPodUnschedulable' }),
    );
    const over = look(unschedulable, minutes(6));
    expect(over.next.status?.phase).toBe('Failed');
    expect(over.deletePods.map((pod) => pod.metadata.name)).toEqual(['target']);
    // The VMI has not been handed over to anybody: nothing of it changes.
    expect(over.vmi).toBeUndefined();
    expect(over.vmiEvents).toContainEqual(expect.objectContaining({ reason: 'FailedMigration' }));
  });

  it('does not get ready for another reason is given up after fifteen [SLM 36]', () => {
    expect(look(notReady, minutes(14)).next.status?.phase).toBe('Scheduling');
    expect(reasonOf(look(notReady, minutes(14)))).toBe('TargetPodNotReady');
    const over = look(notReady, minutes(16));
    expect(over.next.status?.phase).toBe('Failed');
    expect(over.deletePods).toHaveLength(1);
  });

  it.each([
    ['is gone', undefined, 'TargetPodGone'],
    ['has ended', target({ phase: 'Failed', message: 'killed' }, 'n2'), 'TargetPodDown'],
  ] as const)('%s fails the migration at once [SLM 40]', (_, pod, reason) => {
    const plan = look(pod, minutes(1));
    expect(plan.next.status?.phase).toBe('Failed');
    expect(plan.next.status?.conditions).toContainEqual(expect.objectContaining({ type: 'migrationFailed', reason }));
  });

  it.each(['Scheduling', 'Scheduled'] as const)(
    'is on a node that has gone silent fails in %s at once, not after a limit',
    (phase) => {
      const pod = target({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }, 'n2');
      const changes = {
        migration: storedMigration('m', { phase }),
        node: (name: string) => node(name, { ready: name !== 'n2' }),
      };
      const plan = look(pod, minutes(1), changes);
      expect(plan.next.status?.phase).toBe('Failed');
      expect(plan.next.status?.conditions).toContainEqual(
        expect.objectContaining({ type: 'migrationFailed', reason: 'TargetNodeLost' }),
      );
    },
  );

  it('is ready goes on', () => {
    const pod = target({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }, 'n2');
    expect(look(pod, minutes(1)).next.status?.phase).toBe('Scheduled');
  });
});
