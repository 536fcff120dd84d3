import type { VmiMigrationState } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { node } from '../testing/objects.ts';
import { condition, storedMigration, storedPod, storedVmi } from '../virt/testing/objects.ts';
import { decideMigration } from './decide.ts';
import type { MigrationPlan } from './decide.ts';
import { createdMs, handedOver, runningVmi, seenMigration } from './testing/seen.ts';
import type { Instance, SeenMigration } from './seen.ts';

type Phase = 'Scheduled' | 'PreparingTarget' | 'TargetReady' | 'Running';
const engaged = { targetNodeAddress: '192.0.2.2' };
const begun = { ...engaged, startTimestamp: '2026-01-01T00:00:00Z' };
const targetPod = storedPod('target', { node: 'n2' });
const day = createdMs + 86_400_000;

function look(
  phase: Phase,
  record: VmiMigrationState | undefined,
  changes: Partial<SeenMigration> & { at?: number; status?: Instance['status'] } = {},
): MigrationPlan {
  const vmi = runningVmi({ ...(record ? { migrationState: handedOver(record) } : {}), ...changes.status });
  const migration = storedMigration('m', { phase });
  return decideMigration(seenMigration({ migration, targetPod, vmi, ...changes }), changes.at ?? createdMs + 1_000);
}
const waits = ({ next }: MigrationPlan) => next.status?.conditions?.find((one) => one.type === 'migrationWaiting');
const fails = ({ next }: MigrationPlan) => next.status?.conditions?.find((one) => one.type === 'migrationFailed');
const silent = (which: string) => (name: string) => node(name, { ready: name !== which });

describe('a target pod that is lost', () => {
  it('before the source knows where to connect closes the record [SLM 40]', () => {
    const plan = look('PreparingTarget', {}, { targetPod: undefined });
    expect(plan.vmi?.status?.migrationState).toMatchObject({
      completed: true,
      failed: true,
      endTimestamp: expect.any(String),
      failureReason: expect.stringContaining('target pod is gone'),
    });
  });
  it('after that makes the agents abort, who alone may say how it ended', () => {
    const plan = look('TargetReady', engaged, { targetPod: storedPod('target', { node: 'n2', phase: 'Failed' }) });
    expect(plan.vmi?.status?.migrationState).toMatchObject({ abortRequested: true });
    expect(plan.vmi?.status?.migrationState?.completed).toBeUndefined();
  });
});

describe('a node that cannot begin', () => {
  const hindered = condition('MigrationHindered', 'True', { message: 'Node n1 cannot begin the migration: EIO' });
  const status = { conditions: [hindered] };
  it.each<[Phase, VmiMigrationState, number]>([
    ['PreparingTarget', {}, 1_000],
    ['TargetReady', engaged, 1_000],
  ])('in %s says why in what is waited for', (phase, record, at) => {
    expect(waits(look(phase, record, { status, at: createdMs + at }))?.message).toMatch(/^Waits for node .*EIO$/);
    expect(waits(look(phase, record, { at: createdMs + at }))?.message).not.toContain('EIO');
  });
  it('has it in the reason of the end', () => {
    const plan = look('PreparingTarget', {}, { status, at: day });
    expect(plan.vmi?.status?.migrationState?.failureReason).toMatch(/in time\. Node n1 cannot begin.*EIO/);
  });
});

describe('a node that goes silent', () => {
  it.each(['n1', 'n2'])('%s, before anybody has begun: the record is closed at once', (which) => {
    const plan = look('PreparingTarget', {}, { node: silent(which) });
    expect(plan.vmi?.status?.migrationState).toMatchObject({ failed: true });
    expect(waits(plan)?.reason).toBe(which === 'n1' ? 'SourceNodeLost' : 'TargetNodeLost');
  });
  it('the target, when the source may have begun: the agents abort, at once', () => {
    const plan = look('TargetReady', engaged, { node: silent('n2') });
    expect(plan.vmi?.status?.migrationState).toMatchObject({ abortRequested: true });
    expect(waits(plan)?.reason).toBe('TargetNodeLost');
  });
  it.each(['n1', 'n2'])('%s, during the copy: said, and nothing is decided', (which) => {
    const plan = look('Running', begun, { node: silent(which), at: day });
    expect(waits(plan)).toMatchObject({
      reason: which === 'n1' ? 'SourceNodeLost' : 'TargetNodeLost',
      message: expect.stringContaining(`Node ${which} is silent`),
    });
    expect(plan.vmi).toBeUndefined();
    expect(plan.deletePods).toEqual([]);
    expect(plan.requeueAfterMs).toBeGreaterThan(0);
  });
  it('the source, while an abort waits for it: the wait says so', () => {
    const record = { ...begun, abortRequested: true };
    const migration = storedMigration('m', { phase: 'Running' });
    migration.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    const plan = look('Running', record, { node: silent('n1'), migration });
    expect(waits(plan)?.message).toContain('Node n1 is silent');
  });
  it('an agent that reports no figures is told after ten seconds', () => {
    const migration = storedMigration('m', { phase: 'Running' });
    const progress = {
      updatedAt: '2026-01-01T00:01:00.000Z',
      stage: 'CopyingDisks' as const,
      bytesTotal: 2,
      bytesDone: 1,
    };
    migration.status = { ...migration.status, progress };
    const at = (seconds: number) =>
      look('Running', begun, { migration, at: Date.parse(progress.updatedAt) + seconds * 1_000 });
    expect(waits(at(9))?.reason).toBe('Migrating');
    expect(waits(at(11))?.reason).toBe('AgentSilent');
  });
});

describe('a record', () => {
  it('that says failed fails the migration, with its reason', () => {
    const plan = look('Running', { ...begun, failed: true, completed: true, failureReason: 'no space left' });
    expect(fails(plan)).toMatchObject({ reason: 'TargetFull', message: 'no space left' });
  });
  it.each([
    ['was cleared', undefined, 'RecordCleared'],
    ['was taken over by another migration', { migrationUid: 'uid-other' }, 'RecordTakenOver'],
  ] as const)('that %s fails the migration, and nothing of the other is touched', (_, record, reason) => {
    const plan = look('Running', record);
    expect(fails(plan)?.reason).toBe(reason);
    expect(plan.vmi).toBeUndefined();
  });
  it('that is complete waits for changes that the move was made for [SLM 68]', () => {
    const done = { ...begun, completed: true, endTimestamp: '2026-01-01T00:00:00Z' };
    const plan = look('Running', done, {
      status: { conditions: [condition('HotVCPUChange')], migrationState: handedOver(done) },
    });
    expect(plan.next.status?.phase).toBe('Running');
    expect(waits(plan)?.reason).toBe('HotVCPUChange');
    expect(look('Running', done).next.status?.phase).toBe('Succeeded');
  });
});

describe('a VMI', () => {
  it.each(['PreparingTarget', 'TargetReady', 'Running'] as const)(
    'that is deleted in %s fails the migration [SLM 44]',
    (phase) => {
      const vmi = storedVmi({ phase: 'Running', nodeName: 'n1', migrationState: handedOver(begun) }, { deleted: true });
      expect(fails(look(phase, begun, { vmi }))?.reason).toBe('VMIDeleted');
    },
  );
  it('that is another of the same name is not touched [SLM 44]', () => {
    const fresh = storedVmi({ phase: 'Running', nodeName: 'n1' }, { uid: 'another' });
    const plan = look('Running', begun, { vmi: fresh });
    expect(fails(plan)?.reason).toBe('RecordCleared');
    expect(plan.vmi).toBeUndefined();
  });
});

describe('an abort', () => {
  it('that came too late is told in an event', () => {
    const migration = storedMigration('m', { phase: 'Running' });
    migration.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    const plan = look('Running', { ...begun, abortRequested: true, abortStatus: 'Failed' }, { migration });
    expect(plan.events).toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'FailedAbortMigration' }));
    expect(waits(plan)?.reason).toBe('AbortRefused');
  });
});

describe('a hand-off [SLM 65]', () => {
  it('is one write of every field, with none of an earlier record', () => {
    const earlier: VmiMigrationState = {
      migrationUid: 'uid-earlier',
      completed: true,
      failed: true,
      failureReason: 'old',
      abortRequested: true,
      abortStatus: 'Succeeded',
      startTimestamp: 'old',
      endTimestamp: 'old',
      targetNodeAddress: 'old',
    };
    const plan = look('Scheduled', undefined, {
      status: { migrationState: earlier },
      configuration: { maxDowntimeMs: 300 },
      policyName: 'gentle',
    });
    expect(plan.vmi?.status?.migrationState).toEqual(
      handedOver({ migrationConfiguration: { maxDowntimeMs: 300 }, migrationPolicyName: 'gentle' }),
    );
  });
});

describe('left alone for a day, a migration', () => {
  it.each<[Phase, VmiMigrationState]>([
    ['PreparingTarget', {}],
    ['TargetReady', engaged],
  ])('in %s has been ended or told to end', (phase, record) => {
    const state = look(phase, record, { at: day }).vmi?.status?.migrationState;
    expect(state?.failed === true || state?.abortRequested === true).toBe(true);
  });
  it('in Running says what it waits for, and looks again', () => {
    const plan = look('Running', begun, { at: day });
    expect(waits(plan)?.reason).toBe('AgentSilent');
    expect(plan.requeueAfterMs).toBeGreaterThan(0);
  });
});
