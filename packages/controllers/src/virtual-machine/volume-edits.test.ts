import { copyMarks, findCondition, names } from '@godwit/api';
import type { DataVolume, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition } from '../virt/testing/objects.ts';
import {
  boundPvc,
  claimVolumes,
  guestOn,
  listed,
  machineOn,
  seenMachine,
} from '../volume-migration/testing/objects.ts';
import { decideMachine } from './decide.ts';

const machine = (claim: string, spec: Partial<VirtualMachine['spec']> = {}): Stored<VirtualMachine> =>
  machineOn(claimVolumes({ root: claim }), spec);
const running = (status: VirtualMachineInstance['status'], claim: string): Stored<VirtualMachineInstance> =>
  guestOn(claimVolumes({ root: claim }), status, claimVolumes({ root: 'root-old' }));
const copying = (): Stored<VirtualMachineInstance> =>
  running({ migratedVolumes: [listed()], conditions: [condition('VolumesChange')] }, 'root-new');

const dataVolumeTemplates = [{ metadata: { name: 'extra' }, spec: { source: { blank: {} } } }];
const unready: DataVolume = {
  apiVersion: 'cdi.kubevirt.io/v1beta1',
  kind: 'DataVolume',
  metadata: { name: 'extra' },
  spec: { source: { blank: {} } },
  status: { phase: 'ImportInProgress' },
};
const dataVolume = (name: string): DataVolume | undefined => (name === 'extra' ? unready : undefined);

describe('a template DataVolume that is not ready', () => {
  it('holds a new change, and says so', () => {
    const vm = machine('root-new', { dataVolumeTemplates });
    const [step] = decideMachine(seenMachine(vm, running({}, 'root-old'), { dataVolume }), 0).instanceSteps;
    expect(findCondition(step?.status?.conditions, 'VolumesChange')).toMatchObject({
      status: 'False',
      reason: 'DataVolumeNotReady',
      message: expect.stringContaining('DataVolume extra is ImportInProgress'),
    });
    expect(step?.status?.migratedVolumes).toBeUndefined();
  });

  it('[SLM 11] does not keep an announced change from being taken back', () => {
    const vm = machine('root-old', { dataVolumeTemplates });
    const steps = decideMachine(seenMachine(vm, copying(), { dataVolume }), 0).instanceSteps;
    expect(steps.at(-1)?.spec.volumes?.[0]?.persistentVolumeClaim?.claimName).toBe('root-old');
    expect(steps.at(-1)?.status?.migratedVolumes).toBeUndefined();
  });
});

describe('another field that needs a restart', () => {
  const withSockets = (vm: Stored<VirtualMachine>): Stored<VirtualMachine> => {
    vm.spec.template.spec.domain.cpu = { sockets: 4 };
    return vm;
  };

  it('[SLM 24] is told, and nothing is announced', () => {
    const plan = decideMachine(seenMachine(withSockets(machine('root-new')), running({}, 'root-old')), 0);
    expect(findCondition(plan.next.status?.conditions, 'RestartRequired')?.message).toContain('domain.cpu');
    expect(plan.instanceSteps).toEqual([]);
  });

  it('[SLM 24] is not needed for claims with strategy Migration, and is with Replacement', () => {
    const required = (strategy: string) => {
      const vm = machine('root-new', { updateVolumesStrategy: strategy });
      const { status } = decideMachine(seenMachine(vm, running({}, 'root-old')), 0).next;
      return findCondition(status?.conditions, 'RestartRequired') !== undefined;
    };
    expect(required('Migration')).toBe(false);
    expect(required('Replacement')).toBe(true);
  });

  it('[SLM 22] does not keep an announced change from being taken back', () => {
    const plan = decideMachine(seenMachine(withSockets(machine('root-old')), copying()), 0);
    expect(findCondition(plan.next.status?.conditions, 'RestartRequired')).toBeDefined();
    // Exactly two writes: the spec, then the status.
    expect(plan.instanceSteps.map((step) => step.spec.volumes?.[0]?.persistentVolumeClaim?.claimName)).toEqual([
      'root-old',
      'root-old',
    ]);
    expect(plan.instanceSteps.map((step) => step.status?.migratedVolumes?.length)).toEqual([1, undefined]);
  });

  it('[SLM 5.1 #13] of a volume that would be left behind is told literally; what to do is told beside it', () => {
    const left = {
      name: 'data',
      persistentVolumeClaimInfo: { claimName: 'data', accessModes: ['ReadWriteOnce' as const] },
    };
    const guest = running({ volumeStatus: [left] }, 'root-old');
    const { next, instanceSteps } = decideMachine(
      seenMachine(machine('root-new'), guest, { reachableInPlace: () => false }),
      0,
    );
    expect(findCondition(next.status?.conditions, 'RestartRequired')).toMatchObject({
      status: 'True',
      message: 'cannot migrate the VM. The volume data is RWO and not included in the migration volumes',
    });
    expect(findCondition(instanceSteps[0]?.status?.conditions, 'VolumesChange')).toMatchObject({
      status: 'False',
      reason: 'VolumesLeftBehind',
      message: expect.stringContaining('Name new claims for these volumes in the same update'),
    });
  });

  it('nor does rollout strategy Stage', () => {
    const plan = decideMachine(seenMachine(machine('root-old'), copying(), { liveUpdate: false }), 0);
    expect(plan.instanceSteps).toHaveLength(2);
  });
});

describe('a VM that is deleted while its volumes are copied', () => {
  const offlineCopy = {
    id: 'c1',
    attempts: 1,
    volumes: [{ volumeName: 'root', source: 'root-old', target: 'root-new', node: 'n1' }],
  };
  const plan = (annotations: Record<string, string>) => {
    const vm = machine('root-new');
    vm.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    vm.metadata.finalizers = [names.vmFinalizer];
    vm.status = { ...vm.status, offlineCopy };
    const claim = (name: string) => {
      const marked = boundPvc(name);
      if (name === 'root-new') marked.metadata.annotations = annotations;
      return { pvc: marked, pv: undefined, storageClass: undefined };
    };
    return decideMachine({ ...seenMachine(vm, copying()), vmi: undefined, claim }, 0);
  };

  it('stays until the claim is free again, and takes its order back meanwhile', () => {
    const { next, claimMarks, requeueAfterMs } = plan({
      [copyMarks.source]: 'root-old',
      [copyMarks.id]: 'c1',
      [copyMarks.reportId]: 'c1',
      [copyMarks.phase]: 'Running',
    });
    expect(next.metadata.finalizers).toEqual([names.vmFinalizer]);
    expect(claimMarks).toEqual([{ claim: 'root-new', annotations: { [copyMarks.source]: null } }]);
    expect(requeueAfterMs).toBeGreaterThan(0);
  });

  it('goes once no mark is left', () => {
    expect(plan({}).next.metadata.finalizers).toEqual([]);
  });
});
