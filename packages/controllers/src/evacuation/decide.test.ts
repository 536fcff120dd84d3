import type { Condition, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedMigration, storedPod, storedVmi } from '../virt/testing/objects.ts';
import { decideEvacuation } from './decide.ts';
import type { SeenGuest } from './seen.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const migratable = condition('LiveMigratable');
const kept = condition('LiveMigratable', 'False', { reason: 'DisksNotLiveMigratable', message: 'disk root' });
const requested = condition('EvictionRequested', 'True', {
  reason: 'EvictionRequested',
  lastTransitionTime: '2026-01-01T00:00:30Z',
});
const evacuation = { 'kubevirt.io/evacuationMigration': 'n1' };
const drain = { key: 'kubevirt.io/drain', effect: 'NoSchedule' as const };

function guest(
  status: VirtualMachineInstance['status'] = {},
  conditions: readonly Condition[] = [migratable],
): Stored<VirtualMachineInstance> {
  return storedVmi({
    phase: 'Running',
    nodeName: 'n1',
    evacuationNodeName: 'n1',
    conditions: [...conditions],
    ...status,
  });
}

/** One that may stay. */
function unasked(conditions: readonly Condition[] = [migratable]): Stored<VirtualMachineInstance> {
  const vmi = guest({}, conditions);
  delete vmi.status?.evacuationNodeName;
  return vmi;
}

function node(
  ready: 'True' | 'False' = 'True',
  taints: readonly (typeof drain)[] = [],
): NonNullable<SeenGuest['node']> {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', uid: 'n1', resourceVersion: '1', creationTimestamp: '' },
    spec: { taints: [...taints] },
    status: { conditions: [condition('Ready', ready)] },
  };
}

function decide(changes: Partial<SeenGuest> = {}): ReturnType<typeof decideEvacuation> {
  return decideEvacuation(
    {
      vmi: guest(),
      migrations: [],
      pod: undefined,
      node: node(),
      strategy: 'LiveMigrate',
      drainTaintKey: drain.key,
      underway: 0,
      most: 4,
      ...changes,
    },
    now,
  );
}

const failed = (count: number, ended: string): Stored<VirtualMachineInstanceMigration>[] =>
  Array.from({ length: count }, (_, index) => storedMigration(`f${index}`, { phase: 'Failed', endedAt: ended }));
const ofPlan = ({ next }: ReturnType<typeof decideEvacuation>, type: string): Condition | undefined =>
  next.status?.conditions?.find((one) => one.type === type);

describe('evacuation of a guest', () => {
  it('makes a migration with the marks that clients look for [SLM 5.3 #51 #53 #54]', () => {
    const plan = decide();
    expect(plan.create).toMatchObject({
      metadata: { generateName: 'kubevirt-evacuation-', annotations: evacuation },
      spec: { vmiName: 'vm1', priority: 'system-critical' },
    });
    expect(ofPlan(plan, 'EvictionRequested')).toMatchObject({ status: 'True', reason: 'EvictionRequested' });
    const vmi = guest();
    vmi.metadata.annotations = { 'kubevirt.io/eviction-source': 'descheduler' };
    expect(decide({ vmi }).create?.spec.priority).toBe('system-maintenance');
  });

  it.each<[string, Partial<SeenGuest>]>([
    ['nobody asked', { vmi: unasked() }],
    ['it has left the node that it was to leave', { vmi: guest({ evacuationNodeName: 'n0' }) }],
    ['it does not run', { vmi: guest({ phase: 'Scheduled' }) }],
    ['somebody else is to move it', { strategy: 'External' }],
    ['its strategy is None', { strategy: 'None' }],
    ['it has no strategy', { strategy: undefined }],
    [
      'the drain taint stands, but it cannot be moved and need not be',
      {
        vmi: unasked([kept]),
        strategy: 'LiveMigrateIfPossible',
        node: node('True', [drain]),
      },
    ],
    ['it cannot be moved', { vmi: guest({}, [kept]) }],
    ['it is not known whether it can be moved', { vmi: guest({}, []) }],
    ['a migration is on its way', { migrations: [storedMigration('m1', { phase: 'Running' })] }],
    ['its node is silent', { node: node('False') }],
    ['as many as may be are on their way from there', { underway: 4 }],
  ])('makes none when %s [SLM 5.3 #52]', (_, changes) => {
    expect(decide(changes).create).toBeUndefined();
  });

  it.each(['LiveMigrate', 'LiveMigrateIfPossible'] as const)(
    'obeys the drain taint with strategy %s [SLM 5.3 #52]',
    (strategy) => {
      const vmi = unasked();
      expect(decide({ vmi, strategy, node: node('True', [drain]) }).create).toBeDefined();
    },
  );

  it('says why a guest stays that should leave', () => {
    expect(ofPlan(decide({ vmi: guest({}, [kept]) }), 'EvictionRequested')?.message).toContain(
      'DisksNotLiveMigratable: disk root',
    );
  });

  it('waits after a failure, says so once, and goes on asking for the eviction [SLM 5.3 #53]', () => {
    const migrations = failed(1, '2026-01-01T00:59:50Z');
    const plan = decide({ vmi: guest({}, [migratable, requested]), migrations });
    expect(plan).toMatchObject({ requeueAfterMs: 10_000, events: [{ type: 'Warning', reason: 'MigrationBackoff' }] });
    expect(plan.create).toBeUndefined();
    expect(ofPlan(plan, 'EvictionRequested')?.status).toBe('True');
    expect(decide({ vmi: plan.next, migrations }).events).toEqual([]);
    expect(decide({ vmi: plan.next, migrations: failed(1, '2026-01-01T00:59:30Z') }).create).toBeDefined();
  });

  it('gives up after five failures, once, with the reason of the last', () => {
    const migrations = failed(5, '2026-01-01T00:10:00Z');
    const plan = decide({ vmi: guest({}, [migratable, requested]), migrations });
    expect(plan.create).toBeUndefined();
    expect(ofPlan(plan, 'EvacuationFailed')).toMatchObject({ status: 'True', reason: 'RetriesExhausted' });
    expect(plan.events).toHaveLength(1);
    const again = decide({ vmi: plan.next, migrations });
    expect([again.events, again.create]).toEqual([[], undefined]);
    expect(decide({ vmi: plan.next, migrations: migrations.slice(1) }).create).toBeDefined();
  });

  it('gives up at once when another attempt would end the same way', () => {
    const [failure] = failed(1, '2026-01-01T00:10:00Z');
    if (failure?.status)
      failure.status.migrationState = { failureReason: 'disk root: the target has 1 bytes, 2 are needed' };
    const plan = decide({ vmi: guest({}, [migratable, requested]), migrations: failure ? [failure] : [] });
    expect(plan.create).toBeUndefined();
    expect(ofPlan(plan, 'EvacuationFailed')).toMatchObject({
      reason: 'TargetTooSmall',
      message: expect.stringContaining('2 are needed') as string,
    });
  });

  it('tries anew when the eviction is asked for again after those failures, or one has succeeded since [SLM 5.3 #53]', () => {
    const migrations = failed(5, '2026-01-01T00:10:00Z');
    expect(decide({ migrations }).create).toBeDefined();
    const success = storedMigration('s', { phase: 'Succeeded', endedAt: '2026-01-01T00:20:00Z' });
    expect(
      decide({ vmi: guest({}, [requested, migratable]), migrations: [...migrations, success] }).create,
    ).toBeDefined();
  });

  it('once cancelled takes back what has not begun, its own only, and forgets [SLM 5.3 #53]', () => {
    const own = storedMigration('kubevirt-evacuation-a', { phase: 'Pending', annotations: evacuation });
    const begun = storedMigration('kubevirt-evacuation-b', { phase: 'Running', annotations: evacuation });
    const other = storedMigration('by-hand', { phase: 'Pending', annotations: evacuation });
    const vmi = unasked([migratable, requested, condition('EvacuationFailed')]);
    const plan = decide({ vmi, migrations: [own, begun, other] });
    expect(plan.withdraw).toEqual([own]);
    expect(plan.next.status?.conditions).toEqual([migratable]);
  });

  it('marks the pod for deschedulers while the guest is to leave, not longer [SLM 5.3 #53]', () => {
    const marked = storedPod('p', { node: 'n1' });
    marked.metadata.annotations = { 'descheduler.alpha.kubernetes.io/eviction-in-progress': 'true' };
    const calm = unasked();
    expect(decide({ pod: storedPod('p', { node: 'n1' }) }).markPod).toBe('true');
    expect(decide({ pod: marked }).markPod).toBeUndefined();
    expect(decide({ pod: marked, vmi: calm }).markPod).toBeNull();
    expect(decide({ pod: storedPod('p'), vmi: calm }).markPod).toBeUndefined();
  });

  it('writes nothing when nothing has to change', () => {
    const vmi = unasked();
    expect(decide({ vmi }).next).toBe(vmi);
  });
});
