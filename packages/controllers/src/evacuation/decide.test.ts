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
  unschedulable = true,
): NonNullable<SeenGuest['node']> {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', uid: 'n1', resourceVersion: '1', creationTimestamp: '' },
    spec: { taints: [...taints], unschedulable },
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
      otherNodeSinceMs: 0,
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

  it('says so when a move in place goes first, which leaves it where it is', () => {
    const inPlace = storedMigration('m1', { phase: 'Running' });
    inPlace.status = { ...inPlace.status, migrationState: { method: 'InPlace' } };
    const told = (migrations: SeenGuest['migrations']) => ofPlan(decide({ migrations }), 'EvictionRequested')?.message;
    expect(told([inPlace])).toContain('m1 moves its volumes in place first');
    expect(told([storedMigration('m1', { phase: 'Running' })])).toContain('m1 moves it');
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

  it('gives up after five failures, once, with the reason of the last and the remedies', () => {
    const migrations = failed(5, '2026-01-01T00:52:00Z');
    const plan = decide({ vmi: guest({}, [migratable, requested]), migrations });
    expect(plan.create).toBeUndefined();
    expect(plan.requeueAfterMs).toBe(120_000);
    expect(ofPlan(plan, 'EvacuationFailed')).toMatchObject({
      status: 'True',
      reason: 'RetriesExhausted',
      message: expect.stringMatching(
        /^5 migrations failed.*again at 2026-01-01T01:02:00.000Z.*delete the failed migrations.*Uncordon/,
      ) as string,
    });
    expect(plan.events).toHaveLength(1);
    const again = decide({ vmi: plan.next, migrations });
    expect([again.events, again.create]).toEqual([[], undefined]);
    expect(decide({ vmi: plan.next, migrations: migrations.slice(1) }).create).toBeDefined();
  });

  it('gives up at once when another attempt would end the same way', () => {
    const [failure] = failed(1, '2026-01-01T00:55:00Z');
    if (failure?.status)
      failure.status.migrationState = { failureReason: 'disk root: the target has 1 bytes, 2 are needed' };
    const plan = decide({ vmi: guest({}, [migratable, requested]), migrations: failure ? [failure] : [] });
    expect(plan.create).toBeUndefined();
    expect(ofPlan(plan, 'EvacuationFailed')).toMatchObject({
      reason: 'TargetTooSmall',
      message: expect.stringContaining('2 are needed') as string,
    });
  });

  it('tries again ten minutes after the last failure, and calls that failed no more', () => {
    const vmi = guest({}, [migratable, requested, condition('EvacuationFailed')]);
    const plan = decide({ vmi, migrations: failed(5, '2026-01-01T00:50:00Z') });
    expect(plan.create).toBeDefined();
    expect(ofPlan(plan, 'EvacuationFailed')).toBeUndefined();
  });

  it('tries again when another node has become ready since, after the usual pause', () => {
    const vmi = guest({}, [migratable, requested]);
    const migrations = failed(5, '2026-01-01T00:54:00Z');
    const otherNodeSinceMs = Date.parse('2026-01-01T00:55:00Z');
    expect(decide({ vmi, migrations }).create).toBeUndefined();
    expect(decide({ vmi, migrations, otherNodeSinceMs }).create).toBeDefined();
    expect(decide({ vmi, migrations, otherNodeSinceMs: Date.parse('2026-01-01T00:53:00Z') }).create).toBeUndefined();
  });

  it('lets a guest stay that could not leave a node that is in service again, and says so', () => {
    const vmi = guest({}, [migratable, requested, condition('EvacuationFailed')]);
    vmi.metadata.annotations = { 'kubevirt.io/eviction-source': 'descheduler', other: '1' };
    const migrations = failed(5, '2026-01-01T00:52:00Z');
    const plan = decide({ vmi, migrations, node: node('True', [], false) });
    expect(plan.next.status?.evacuationNodeName).toBeUndefined();
    expect(plan.next.status?.conditions).toEqual([migratable]);
    expect(plan.next.metadata.annotations).toEqual({ other: '1' });
    expect(plan.events).toMatchObject([{ reason: 'EvacuationEnded' }]);
    // The taint asks for the same as a cordon; what may still succeed is not called off.
    const tainted = decide({ vmi, migrations, node: node('True', [drain], false) });
    expect(tainted.next.status?.evacuationNodeName).toBe('n1');
    const trying = decide({ vmi, migrations: migrations.slice(1), node: node('True', [], false) });
    expect([trying.next.status?.evacuationNodeName, trying.create]).toEqual(['n1', expect.anything()]);
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
