import { findCondition } from '@godwit/api';
import type { Condition, Stored, VirtualMachineInstance, VirtualMachineInstanceSpec } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedMigration, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { seenMachine } from '../volume-migration/testing/objects.ts';
import { decideMachine } from './decide.ts';
import { startedFrom, startedFromAnnotation } from './restart-required.ts';
import type { SeenMachine } from './seen.ts';

type Rules = Partial<VirtualMachineInstanceSpec>;

const fast: Rules = { nodeSelector: { disk: 'fast' } };

function guest(rules: Rules): Stored<VirtualMachineInstance> {
  const started = { ...storedVm().spec.template.spec, ...rules };
  const vmi = storedVmi({ phase: 'Running' }, { annotations: { [startedFromAnnotation]: JSON.stringify(started) } });
  return { ...vmi, spec: { ...vmi.spec, ...rules } };
}

function pass(from: Rules, to: Rules, more: Partial<SeenMachine> = {}, conditions: Condition[] = []) {
  const vm = storedVm({}, { conditions });
  Object.assign(vm.spec.template.spec, to);
  const plan = decideMachine({ ...seenMachine(vm, guest(from), { pvc: () => undefined }), ...more }, 0);
  const found = (type: string) => findCondition(plan.next.status?.conditions, type);
  return { ...plan, restart: found('RestartRequired')?.message, waits: found('NodePlacementChange') };
}

describe('what a running VM says about nodes [SLM 2.3]', () => {
  it.each<[string, Rules, Rules]>([
    ['a new selector', {}, fast],
    ['another selector', { nodeSelector: { disk: 'slow', zone: 'a' } }, fast],
    ['none any more', fast, {}],
    ['a toleration', {}, { tolerations: [{ key: 'a', operator: 'Exists' }] }],
    ['an affinity', {}, { affinity: { nodeAffinity: {} } }],
  ])('holds for its next move, without a restart: %s', (_, from, to) => {
    const { instanceSteps, restart, waits } = pass(from, to);
    expect(restart).toBeUndefined();
    const [step] = instanceSteps;
    const rules = ({ nodeSelector, affinity, tolerations }: Rules = {}) => ({ nodeSelector, affinity, tolerations });
    expect(rules(step?.spec)).toEqual(rules(to));
    expect(rules(step && startedFrom(step))).toEqual(rules(to));
    expect(step?.spec.volumes).toEqual(storedVmi().spec.volumes);
    expect(waits).toBeUndefined();
  });

  it('is left alone when nothing changed', () => expect(pass(fast, fast).instanceSteps).toEqual([]));

  it.each<[string, Partial<SeenMachine>]>([
    ['that has just been asked for', { activeMigrations: [storedMigration('m1')] }],
    [
      'that waits for a node or its turn',
      { activeMigrations: [storedMigration('m1', { phase: 'Pending' }), storedMigration('m2')] },
    ],
  ])('holds for a migration %s', (_, more) => {
    expect(pass({}, fast, more).instanceSteps[0]?.spec.nodeSelector).toEqual(fast.nodeSelector);
  });

  const underway = { activeMigrations: [storedMigration('queued'), storedMigration('m1', { phase: 'Scheduling' })] };

  const record = (more: object) => ({
    vmi: { ...guest({}), status: { phase: 'Running', migrationState: { migrationUid: 'm', ...more } } } as const,
  });
  const sent = storedMigration('m1', { phase: 'Synchronizing' });
  const across = { ...sent, spec: { ...sent.spec, sendTo: { migrationID: 'm', connectURL: 'elsewhere:9185' } } };

  it.each<[string, Partial<SeenMachine>, string, boolean]>([
    ['a migration that was begun by other rules', underway, 'migration m1', true],
    ['one across clusters', { activeMigrations: [across] }, 'migration m1', false],
    ['one by post-copy', { ...underway, ...record({ mode: 'PostCopy' }) }, 'migration m1', false],
    ['one whose record is open', record({}), 'a migration whose object is gone', false],
  ])('waits for %s, and says so with what can be done', (_, more, what, mayBeCancelled) => {
    const { instanceSteps, restart, waits, events } = pass({}, fast, more);
    expect(instanceSteps).toEqual([]);
    expect(restart).toBeUndefined();
    expect(waits).toMatchObject({ status: 'True', reason: 'MigrationUnderway' });
    expect(waits?.message).toContain(`spec.template.spec.nodeSelector waits for the end of ${what} of VMI vm1`);
    expect(waits?.message?.includes('virtctl migrate-cancel vm1')).toBe(mayBeCancelled);
    expect(events).toMatchObject([{ reason: 'NodePlacementChangeWaits', message: waits?.message }]);
  });

  it('is told of as long as it waits, by one event', () => {
    const first = pass({}, fast, underway).next.status?.conditions ?? [];
    const second = pass({}, fast, underway, first);
    expect(second.waits).toEqual(findCondition(first, 'NodePlacementChange'));
    expect(second.events).toEqual([]);
    expect(pass(fast, fast, underway, first).waits).toBeUndefined();
    expect(pass({}, fast, {}, first).waits).toBeUndefined();
  });

  it.each<[string, Partial<SeenMachine>]>([
    ['is being ended', { vmi: { ...guest({}), metadata: { ...guest({}).metadata, deletionTimestamp: '2026-01-01' } } }],
    ['has ended', { vmi: { ...guest({}), status: { phase: 'Succeeded' } } }],
  ])('waits for nothing when the guest %s', (_, more) =>
    expect(pass({}, fast, { ...underway, ...more }).waits).toBeUndefined(),
  );

  it('waits for a restart with rollout strategy Stage', () => {
    const { instanceSteps, restart } = pass({}, fast, { liveUpdate: false });
    expect(instanceSteps).toEqual([]);
    expect(restart).toContain('nodeSelector');
  });

  it('does not let other changes pass', () => {
    const { restart } = pass({}, { ...fast, hostname: 'other' });
    expect(restart).toMatch(/\(hostname\)/);
  });
});
