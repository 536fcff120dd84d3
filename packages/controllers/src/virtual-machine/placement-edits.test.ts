import { findCondition } from '@godwit/api';
import type { Stored, VirtualMachineInstance, VirtualMachineInstanceSpec } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedMigration, storedVm, storedVmi } from '../virt/testing/objects.ts';
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

function pass(from: Rules, to: Rules, more: Partial<SeenMachine> = {}) {
  const vm = storedVm();
  Object.assign(vm.spec.template.spec, to);
  const plan = decideMachine(
    {
      vm,
      vmi: guest(from),
      nameTaken: false,
      pvc: () => undefined,
      dataVolume: () => undefined,
      claim: () => ({ pvc: undefined, pv: undefined, storageClass: undefined }),
      usersOf: () => [],
      readyNodes: () => [],
      reachableInPlace: () => true,
      activeMigrations: [],
      liveUpdate: true,
      ...more,
    },
    0,
  );
  return { ...plan, restart: findCondition(plan.next.status?.conditions, 'RestartRequired')?.message };
}

describe('what a running VM says about nodes [SLM 2.3]', () => {
  it.each<[string, Rules, Rules]>([
    ['a new selector', {}, fast],
    ['another selector', { nodeSelector: { disk: 'slow', zone: 'a' } }, fast],
    ['none any more', fast, {}],
    ['a toleration', {}, { tolerations: [{ key: 'a', operator: 'Exists' }] }],
    ['an affinity', {}, { affinity: { nodeAffinity: {} } }],
  ])('holds for its next move, without a restart: %s', (_, from, to) => {
    const { instanceSteps, restart } = pass(from, to);
    expect(restart).toBeUndefined();
    const [step] = instanceSteps;
    const rules = ({ nodeSelector, affinity, tolerations }: Rules = {}) => ({ nodeSelector, affinity, tolerations });
    expect(rules(step?.spec)).toEqual(rules(to));
    expect(rules(step && startedFrom(step))).toEqual(rules(to));
    expect(step?.spec.volumes).toEqual(storedVmi().spec.volumes);
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

  it.each<[string, Partial<SeenMachine>]>([
    [
      'a migration that was begun by other rules',
      { activeMigrations: [storedMigration('m1', { phase: 'Scheduling' })] },
    ],
    ['one across clusters', { activeMigrations: [storedMigration('m1', { phase: 'Synchronizing' })] }],
    [
      'one whose record is open',
      { vmi: { ...guest({}), status: { phase: 'Running', migrationState: { migrationUid: 'm' } } } },
    ],
  ])('waits for %s', (_, more) => {
    const { instanceSteps, restart } = pass({}, fast, more);
    expect(instanceSteps).toEqual([]);
    expect(restart).toBeUndefined();
  });

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
