import { findCondition } from '@godwit/api';
import type { PersistentVolumeClaim, Stored, VirtualMachine, VirtualMachineInstance, Volume } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { decideConditions } from '../virtual-machine-instance/conditions.ts';
import { decideVmConditions } from '../virtual-machine/conditions.ts';
import { decideMachine } from '../virtual-machine/decide.ts';
import { instanceSteps } from '../virtual-machine/instance-steps.ts';
import { refreshedRecord, startedFromAnnotation } from '../virtual-machine/restart-required.ts';
import { condition, storedMigration } from '../virt/testing/objects.ts';
import { decideUpdate } from '../workload-update/decide.ts';
import { changedVolumes, decideVolumeUpdate } from './decide.ts';
import { boundPvc, guestOn, listed, machineOn, seenMachine } from './testing/objects.ts';
import type { Seen } from './testing/objects.ts';

/*
 * What goes wrong upstream while volumes move, tried here on the decisions. The other hazards are attacked beside what they
 * are about: search for `[SLM H`.
 */

const claim = (name: string, claimName: string): Volume => ({ name, persistentVolumeClaim: { claimName } });
/** What several nodes may use at once. */
const shared = (name: string): PersistentVolumeClaim => boundPvc(name, { accessModes: ['ReadWriteMany'] });
const seen = (vm: Stored<VirtualMachine>, vmi: Stored<VirtualMachineInstance>, more: Partial<Seen> = {}): Seen =>
  seenMachine(vm, vmi, { pvc: shared, ...more });

describe('[SLM H1] a guest with another claim that stays where it is', () => {
  const bystander = claim('data', 'data');
  const announced = guestOn([claim('root', 'root-old'), bystander], { migratedVolumes: [listed()] });
  const repointed = guestOn([claim('root', 'root-new'), bystander], { migratedVolumes: [listed()] });
  const wish = (vmi: Stored<VirtualMachineInstance>) =>
    findCondition(
      decideConditions({ vmi, verdict: { phase: 'Running' }, pod: undefined, volumes: [], start: { start: true } }, 0),
      'VolumesChange',
    );

  it('asks for a migration only once its spec names the target', () => {
    expect(wish(announced)).toBeUndefined();
    expect(wish(repointed)?.status).toBe('True');
  });

  it('gets none before, even if somebody else has asked', () => {
    const early = structuredClone(announced);
    early.status = { ...early.status, conditions: [condition('VolumesChange')] };
    expect(decideUpdate({ vmi: early, migrations: [], methods: ['LiveMigrate'] }, 0).create).toBeUndefined();
  });

  it('is not told that its own pending edit is illegal', () => {
    const vm = machineOn([claim('root', 'root-new'), bystander]);
    const early = structuredClone(announced);
    early.status = { ...early.status, conditions: [condition('VolumesChange')] };
    expect(decideVolumeUpdate(seen(vm, early))).toMatchObject({
      do: 'repoint',
      volumes: [claim('root', 'root-new'), bystander],
    });
  });
});

describe('[SLM H2] a copy that is taken back', () => {
  const vm = machineOn([claim('root', 'root-old')]);
  const copying = guestOn([claim('root', 'root-new')], {
    migratedVolumes: [listed()],
    conditions: [condition('VolumesChange')],
    migrationState: { migrationUid: 'uid-m1', startTimestamp: '2026-01-01T00:00:00Z' },
  });

  it.each([
    ['its migration is there', [storedMigration('m1', { phase: 'Running' })]],
    ['only its record is', []],
  ])('keeps list and claims until it has ended: %s', (_, activeMigrations) => {
    const update = decideVolumeUpdate(seen(vm, copying, { activeMigrations }));
    expect(update.do).toBe('stop-migrations');
    const [step] = instanceSteps(copying, update, 0);
    expect(step?.status?.migratedVolumes).toEqual([listed()]);
    expect(step?.spec.volumes).toEqual([claim('root', 'root-new')]);
  });
});

describe('[SLM H6] after the volumes have moved', () => {
  const arrived = guestOn([claim('root', 'root-new')], {}, [claim('root', 'root-old')]);

  it('no restart is asked for when the strategy is dropped', () => {
    const record = refreshedRecord(arrived);
    expect(record).toContain('root-new');
    const vm = machineOn([claim('root', 'root-new')], { updateVolumesStrategy: '' });
    const [refreshed] = decideMachine(seen(vm, arrived), 0).instanceSteps;
    expect(refreshed?.metadata.annotations?.[startedFromAnnotation]).toBe(record);
    const { next } = decideMachine(seen(vm, refreshed ?? arrived), 0);
    expect(findCondition(next.status?.conditions, 'RestartRequired')).toBeUndefined();
  });
});

describe('[SLM H7] what is said about an edit', () => {
  const missing = condition('VolumesChange', 'False', { reason: 'TargetNotFound', message: 'PVC nowhere' });
  const sockets = (vm: Stored<VirtualMachine>): Stored<VirtualMachine> => {
    vm.spec.template.spec.domain.cpu = { sockets: 4 };
    return vm;
  };

  it.each([
    ['alone', (vm: Stored<VirtualMachine>) => vm],
    ['together with a change that waits for a restart', sockets],
  ])('does not survive the edit, taken back %s', (_, edit) => {
    const vmi = guestOn([claim('root', 'root-old')], { conditions: [missing] });
    const [step] = decideMachine(seen(edit(machineOn([claim('root', 'root-old')])), vmi), 0).instanceSteps;
    expect(step?.status?.conditions).toEqual([]);
  });

  it('is about the present one', () => {
    const told = (vm: Stored<VirtualMachine>, vmi: Stored<VirtualMachineInstance>) => {
      const { next } = decideMachine(seen(vm, vmi), 0);
      vm.status = { ...vm.status, ...next.status };
      return findCondition(next.status?.conditions, 'RestartRequired')?.message;
    };
    const vmi = guestOn([claim('root', 'root-old')]);
    vmi.spec.domain.devices.disks = [{ name: 'root', disk: {}, shareable: true }];
    const vm = machineOn([claim('root', 'root-new')]);
    expect(told(vm, vmi)).toContain('shareable');
    vm.spec.template.spec.volumes = [claim('root', 'root-old')];
    expect(told(sockets(vm), vmi)).toMatch(/^(?!.*shareable).*domain\.cpu/);
  });
});

it('[SLM H14] a VM that needs manual recovery needs it still when a guest of it is seen alive', () => {
  const vm = machineOn([claim('root', 'root-new')]);
  vm.status = { conditions: [condition('ManualRecoveryRequired'), condition('VolumesChange')] };
  const vmi = guestOn([claim('root', 'root-new')]);
  const record = { migratedVolumes: [listed()], manualRecovery: 'unchanged' as const };
  const conditions = decideVmConditions({ vm, vmi, record, failure: undefined, restartRequired: undefined }, 0);
  expect(findCondition(conditions, 'ManualRecoveryRequired')?.status).toBe('True');
  // Others that only mirror the guest go with what they mirror.
  expect(findCondition(conditions, 'VolumesChange')).toBeUndefined();
});

it('[SLM H15] a claim in the place of a container disk is no volume to be moved: it waits for a restart', () => {
  const disk: Volume = { name: 'root', containerDisk: { image: 'x' } };
  const { next, instanceSteps: steps } = decideMachine(
    seen(machineOn([claim('root', 'root-new')]), guestOn([disk])),
    0,
  );
  expect(findCondition(next.status?.conditions, 'RestartRequired')?.status).toBe('True');
  expect(steps).toEqual([]);
});

describe('[SLM 5.2 #21, #22] the two writes of a change', () => {
  const vm = machineOn([claim('root', 'root-new'), claim('data', 'data-new'), { name: 'seed', cloudInitNoCloud: {} }]);
  const volumes = [claim('root', 'root-old'), claim('data', 'data-old'), { name: 'seed', cloudInitNoCloud: {} }];

  it('announce every changed volume at once, and nothing while something is announced', () => {
    const update = decideVolumeUpdate(seen(vm, guestOn(volumes)));
    expect(update).toMatchObject({ do: 'announce', volumes: [{ volumeName: 'root' }, { volumeName: 'data' }] });
    const announced = guestOn(volumes, { migratedVolumes: [listed('root'), listed('data')] });
    expect(decideVolumeUpdate(seen(vm, announced)).do).toBe('repoint');
  });

  it('say of each claim what KubeVirt says', () => {
    const [step] = instanceSteps(guestOn(volumes), decideVolumeUpdate(seen(vm, guestOn(volumes))), 0);
    const about = (claimName: string) => ({
      claimName,
      volumeMode: 'Filesystem',
      accessModes: ['ReadWriteMany'],
      requests: { storage: '1Gi' },
    });
    expect(step?.status?.migratedVolumes?.[0]).toEqual({
      volumeName: 'root',
      sourcePVCInfo: about('root-old'),
      destinationPVCInfo: about('root-new'),
    });
  });

  it('re-point the announced volumes, and leave the others alone', () => {
    const announced = guestOn(volumes, { migratedVolumes: [listed('root'), listed('data')] });
    const other = structuredClone(vm);
    other.spec.template.spec.volumes?.splice(2, 1, { name: 'seed', cloudInitNoCloud: { userData: 'new' } });
    expect(decideVolumeUpdate(seen(other, announced))).toEqual({
      do: 'repoint',
      volumes: [claim('root', 'root-new'), claim('data', 'data-new'), volumes[2]],
    });
  });

  it('are not taken back in part', () => {
    const both = { migratedVolumes: [listed('root'), listed('data')], conditions: [condition('VolumesChange')] };
    const copying = guestOn([claim('root', 'root-new'), claim('data', 'data-new')], both);
    const half = machineOn([claim('root', 'root-old'), claim('data', 'data-new')]);
    expect(changedVolumes(half, copying)).toHaveLength(1);
    const update = decideVolumeUpdate(seen(half, copying));
    expect(update).toMatchObject({
      do: 'refuse',
      message: expect.stringContaining('root to root-old, data to data-old'),
    });
    expect(instanceSteps(copying, update, 0)).toEqual([]);
    expect(findCondition(decideMachine(seen(half, copying), 0).next.status?.conditions, 'Failure')).toMatchObject({
      status: 'True',
      reason: 'VolumesUpdateError',
    });
  });
});

it('[SLM 6.4 #1] an unknown strategy is told as a failed sync', () => {
  const vm = machineOn([claim('root', 'root-new')], { updateVolumesStrategy: 'Teleport' });
  const { next } = decideMachine(seen(vm, guestOn([claim('root', 'root-old')], {}, [claim('root', 'root-new')])), 0);
  expect(findCondition(next.status?.conditions, 'Failure')).toMatchObject({ reason: 'VolumesUpdateError' });
});
