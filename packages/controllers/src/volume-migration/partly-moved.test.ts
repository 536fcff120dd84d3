import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedVmi } from '../virt/testing/objects.ts';
import { instanceSteps } from '../virtual-machine/instance-steps.ts';
import { decideVolumeUpdate } from './decide.ts';
import { newestClaims } from './newest.ts';
import { decideRecord } from './record.ts';
import { claimVolumes, listed, machineWith, seenMachine } from './testing/objects.ts';
import type { VolumeUpdate } from './types.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');

const decide = (vm: Stored<VirtualMachine>, vmi: Stored<VirtualMachineInstance>): VolumeUpdate =>
  decideVolumeUpdate(seenMachine(vm, vmi, { reachableInPlace: () => false }));

describe('a move in place that has left some volumes on their destination', () => {
  const both = [listed('root'), listed('data')];
  const volumes = (root: string, data: string) => claimVolumes({ root, data });
  function machine(root: string, data: string, strategy = 'Migration'): Stored<VirtualMachine> {
    const vm = machineWith({ root, data }, strategy);
    vm.status = {
      lastVolumes: { root: 'root-old', data: 'data-old' },
      volumeUpdateState: { volumeMigrationState: { migratedVolumes: both } },
      conditions: [condition('VolumesChange')],
    };
    return vm;
  }
  function half(phase: 'Running' | 'Failed' = 'Running', state: object = {}): Stored<VirtualMachineInstance> {
    const vmi = storedVmi({
      phase,
      migratedVolumes: both,
      conditions: [condition('VolumesChange')],
      migrationState: { migrationUid: 'm', failed: true, volumes: both, movedVolumes: ['root'], ...state },
    });
    vmi.spec.volumes = volumes('root-new', 'data-new');
    return vmi;
  }

  it.each<[string, Stored<VirtualMachine>]>([
    ['set back', machine('root-old', 'data-old')],
    ['set to where the data is', machine('root-new', 'data-old')],
  ])('%s: the guest is said to be where its data is, and only then are volumes moved back', (_, vm) => {
    const update = decide(vm, half());
    expect(update).toEqual({ do: 'revert', volumes: volumes('root-new', 'data-old') });
    const settled = instanceSteps(half(), update, 0).at(-1);
    expect(settled?.status).not.toHaveProperty('migratedVolumes');
    expect(settled?.status?.migrationState).not.toHaveProperty('movedVolumes');
    const next = decide(vm, settled ?? half());
    const back = { sourcePVCInfo: { claimName: 'root-new' }, destinationPVCInfo: { claimName: 'root-old' } };
    if (_ === 'set back') expect(next).toMatchObject({ do: 'announce', volumes: [{ volumeName: 'root', ...back }] });
    else expect(next.do).toBe('nothing');
  });

  it('is not set back without a copy', () => {
    const update = decide(machine('root-old', 'data-old', 'none'), half());
    expect(update).toMatchObject({ do: 'refuse', message: expect.stringContaining('root on root-new') });
  });

  it('is not set back before the agent has said how the move ended', () => {
    const vmi = half('Running', { failed: false, startTimestamp: '2026-01-01T00:00:00Z' });
    const vm = machine('root-old', 'data-old');
    expect(decide(vm, vmi)).toEqual({ do: 'stop-migrations', migrations: [] });
  });

  it('is tried again when the volumes are wanted after all', () => {
    const vmi = half();
    const cancelled = condition('VolumesChange', 'False', { reason: 'VolumesChangeCancellation' });
    vmi.status = { ...vmi.status, conditions: [cancelled] };
    expect(decide(machine('root-new', 'data-new'), vmi).do).toBe('drop-stale-condition');
  });

  it('leaves the newest claims in the record of the VM, whatever becomes of the VMI', () => {
    const vm = machine('root-new', 'data-new');
    expect(newestClaims(vm, half())).toEqual({ root: 'root-new', data: 'data-old' });
    expect(newestClaims(vm, half('Failed'))).toEqual({ root: 'root-new', data: 'data-old' });
    expect(newestClaims(vm, undefined)).toEqual(vm.status?.lastVolumes);
  });

  it.each<[string, string, string, string]>([
    ['root-new', 'data-new', 'Migration', 'required'],
    ['root-old', 'data-old', 'Migration', 'required'],
    ['root-new', 'data-new', 'none', 'required'],
    ['root-new', 'data-old', 'Migration', 'cleared'],
    ['root-new', 'data-old', 'none', 'cleared'],
  ])('after the guest has died, %s and %s with strategy %s: recovery is %s', (root, data, strategy, wanted) => {
    const vm = machine(root, data, strategy);
    vm.status = {
      ...vm.status,
      lastVolumes: { root: 'root-new', data: 'data-old' },
      conditions: [condition('VolumesChange'), condition('ManualRecoveryRequired')],
    };
    const known = (): boolean => true;
    const verdict = decideRecord(vm, undefined, known, NOW);
    expect(verdict.manualRecovery).toBe(wanted);
    if (wanted !== 'required') return;
    expect(verdict.message).toContain('root on root-new, data on data-old');
    // A claim that is gone for good cannot be gone back to.
    expect(decideRecord(machine('root-old', 'data-old'), undefined, () => false, NOW).manualRecovery).toBe('cleared');
  });

  it('needs no recovery when the guest has died on the new volumes, all of them whole', () => {
    const vm = machine('root-new', 'data-new');
    const vmi = half('Failed', { movedVolumes: ['root', 'data'] });
    expect(decideRecord(vm, vmi, () => true, NOW).manualRecovery).toBe('unneeded');
    vm.status = { ...vm.status, conditions: [condition('ManualRecoveryRequired')] };
    expect(decideRecord(vm, vmi, () => true, NOW).manualRecovery).toBe('unneeded');
  });
});
