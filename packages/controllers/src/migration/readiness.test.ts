import { describe, expect, it } from 'vitest';
import { condition, storedMigration } from '../virt/testing/objects.ts';
import { decideMigration } from './decide.ts';
import { createdMs, runningVmi, seenMigration } from './testing/seen.ts';
import type { SeenMigration } from './seen.ts';

const noRoom = (): SeenMigration =>
  seenMigration({
    candidates: () => ({
      fitting: [],
      why: '0/2 nodes can take the guest in: n1 is where the guest runs; n2 is unschedulable',
    }),
    admission: () => {
      throw new Error('a slot was asked for');
    },
  });

describe('a migration that no node can take in [SLM 35]', () => {
  it('says so node by node, without a slot and without a pod', () => {
    const plan = decideMigration(noRoom(), createdMs);
    expect(plan.createPod).toBeUndefined();
    expect(plan.next.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'migrationWaiting',
        reason: 'NoCandidateNode',
        message: expect.stringContaining('n2 is unschedulable'),
      }),
    );
    expect(plan.events).toContainEqual(expect.objectContaining({ reason: 'migrationTargetPodUnschedulable' }));
  });

  it('gives up five minutes after the first refusal, however long it has waited for other things', () => {
    const first = decideMigration(noRoom(), createdMs + 3_600_000);
    const again: SeenMigration = { ...noRoom(), migration: first.next };
    const before = decideMigration(again, createdMs + 3_600_000 + 299_000);
    expect(before.next.status?.phase).toBe('Pending');
    expect(before.events).toEqual([]);
    const after = decideMigration(again, createdMs + 3_600_000 + 301_000);
    expect(after.next.status).toMatchObject({ phase: 'Failed' });
    expect(after.next.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'migrationFailed', reason: 'NoCandidateNode' }),
    );
    expect(after.vmi).toBeUndefined();
  });

  it('obeys the annotation that sets the limit', () => {
    const migration = storedMigration('m', {
      phase: 'Pending',
      annotations: { 'kubevirt.io/migrationUnschedulablePodTimeoutSeconds': '20' },
    });
    const first = decideMigration({ ...noRoom(), migration }, createdMs);
    const late = decideMigration({ ...noRoom(), migration: first.next }, createdMs + 21_000);
    expect(late.next.status?.phase).toBe('Failed');
  });

  it('names the CPU when that is all that is missing [SLM 56]', () => {
    const source = seenMigration({
      sourceNode: {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name: 'n1',
          uid: 'n1',
          resourceVersion: '1',
          creationTimestamp: '2026-01-01T00:00:00Z',
          labels: { 'godwit.dev/acceleration': 'kvm', 'host-model-cpu.node.kubevirt.io/Skylake': 'true' },
        },
      },
      candidates: ({ spec }) =>
        spec.nodeSelector?.['cpu-model-migration.node.kubevirt.io/Skylake'] === 'true'
          ? { fitting: [], why: 'n2 lacks it' }
          : { fitting: ['n2'], why: '' },
    });
    const plan = decideMigration(source, createdMs);
    expect(plan.vmiEvents).toContainEqual(
      expect.objectContaining({ type: 'Warning', reason: 'NoSuitableNodesForHostModelMigration' }),
    );
    expect(plan.createPod).toBeUndefined();
  });
});

describe('before it takes a slot, a migration', () => {
  it('that the queue holds says which limit and which place', () => {
    const admission = () =>
      ({ admitted: false, reason: 'ClusterLimitReached', message: '5 run; place 3 of 7 in the queue' }) as const;
    const plan = decideMigration(seenMigration({ admission }), createdMs);
    expect(plan.next.status?.conditions).toContainEqual(
      expect.objectContaining({ reason: 'ClusterLimitReached', message: expect.stringContaining('place 3 of 7') }),
    );
    expect(plan.createPod).toBeUndefined();
  });

  it('of a guest that cannot leave its node fails at once [SLM 34]', () => {
    const vmi = runningVmi({
      conditions: [condition('LiveMigratable', 'False', { reason: 'DisksNotLiveMigratable' })],
    });
    const plan = decideMigration(seenMigration({ vmi }), createdMs + 60_000);
    expect(plan.next.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'migrationFailed', reason: 'NotLiveMigratable' }),
    );
  });

  it('lets the node agents end a move whose object is gone', () => {
    const state = {
      migrationUid: 'uid-of-nobody',
      sourceNode: 'n1',
      targetNode: 'n2',
      startTimestamp: '2026-01-01T00:00:00Z',
    };
    const plan = decideMigration(seenMigration({ vmi: runningVmi({ migrationState: state }) }), createdMs);
    expect(plan.vmi?.status?.migrationState).toEqual({ ...state, abortRequested: true });
    expect(plan.createPod).toBeUndefined();
    const ended = runningVmi({ migrationState: { ...state, failed: true, completed: true } });
    expect(decideMigration(seenMigration({ vmi: ended }), createdMs).createPod).toBeDefined();
  });

  it('made by a controller backs off after failures and says so on the VMI [SLM 53]', () => {
    const migration = storedMigration('m', {
      phase: 'Pending',
      annotations: { 'kubevirt.io/evacuationMigration': 'n1' },
    });
    const finished = [storedMigration('f', { phase: 'Failed', endedAt: '2026-01-01T00:00:00Z' })];
    const plan = decideMigration(seenMigration({ migration, finished }), createdMs + 5_000);
    expect(plan.vmiEvents).toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'MigrationBackoff' }));
    expect(plan.requeueAfterMs).toBe(15_000);
    expect(decideMigration(seenMigration({ finished }), createdMs + 5_000).createPod).toBeDefined();
  });
});

describe('a migration of a guest that is losing a volume', () => {
  const leaving = (): SeenMigration =>
    seenMigration({ vmi: runningVmi({ volumeStatus: [{ name: 'hot', phase: 'Detaching', hotplugVolume: {} }] }) });

  it('waits for that without a slot and without a pod, and says so', () => {
    const plan = decideMigration(leaving(), createdMs);
    expect(plan.createPod).toBeUndefined();
    expect(plan.next.status?.conditions).toContainEqual(
      expect.objectContaining({ reason: 'VolumesLeaving', message: expect.stringContaining('hot') }),
    );
  });

  it('gives up after ten minutes', () =>
    expect(decideMigration(leaving(), createdMs + 601_000).next.status?.phase).toBe('Failed'));
});
