import type {
  DataVolume,
  Disk,
  PersistentVolumeClaim,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
} from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedMigration, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { instanceSteps } from '../virtual-machine/instance-steps.ts';
import { decideVolumeUpdate } from './decide.ts';
import { newestClaims } from './newest.ts';
import { decideRecord } from './record.ts';
import type { VolumeUpdateInput } from './types.ts';

function pvc(
  name: string,
  storage = '1Gi',
  accessModes: ('ReadWriteOnce' | 'ReadWriteMany' | 'ReadOnlyMany')[] = ['ReadWriteOnce'],
): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { accessModes, resources: { requests: { storage } } },
    status: { phase: 'Bound' },
  };
}

function vmWith(claim: string, strategy = 'Migration'): Stored<VirtualMachine> {
  const vm = storedVm(strategy === 'none' ? {} : { updateVolumesStrategy: strategy });
  vm.spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: claim } }];
  return vm;
}

const NOW = Date.parse('2026-01-01T00:10:00Z');

const listed = [
  { volumeName: 'root', sourcePVCInfo: { claimName: 'root-old' }, destinationPVCInfo: { claimName: 'root-new' } },
];
const claims = new Map(
  ['root-old', 'root-new', 'data-old', 'data-new']
    .map((name) => pvc(name))
    .concat(pvc('small', '512Mi'))
    .map((one) => [one.metadata.name ?? '', one]),
);

function input(changes: Partial<VolumeUpdateInput> & { disk?: Partial<Disk> } = {}): VolumeUpdateInput {
  const { disk, ...rest } = changes;
  const seen: VolumeUpdateInput = {
    vm: vmWith('root-new'),
    vmi: storedVmi({ phase: 'Running' }),
    pvc: (name) => claims.get(name),
    dataVolume: () => undefined,
    claim: (name) => ({ pvc: claims.get(name), pv: undefined, storageClass: undefined }),
    usersOf: () => [],
    reachableInPlace: () => false,
    activeMigrations: [],
    ...rest,
  };
  if (disk) seen.vmi.spec.domain.devices.disks = [{ name: 'root', disk: {}, ...disk }];
  return seen;
}

const copying = (claim: string): Stored<VirtualMachineInstance> =>
  storedVmi({ phase: 'Running', migratedVolumes: listed, conditions: [condition('VolumesChange')] }, { claim });

describe('what a changed volume asks of the running guest', () => {
  it.each<[string, VolumeUpdateInput, string]>([
    ['nothing changed', input({ vm: vmWith('root-old') }), 'nothing'],
    ['no strategy', input({ vm: vmWith('root-new', 'none') }), 'nothing'],
    ['Replacement', input({ vm: vmWith('root-new', 'Replacement') }), 'nothing'],
    ['an unknown strategy', input({ vm: vmWith('root-new', 'Teleport') }), 'refuse'],
    ['Migration', input(), 'announce'],
    ['announced, not re-pointed yet', input({ vmi: copying('root-old') }), 'repoint'],
    ['announced and re-pointed', input({ vmi: copying('root-new') }), 'nothing'],
    ['set back while nothing copies', input({ vm: vmWith('root-old'), vmi: copying('root-new') }), 'revert'],
    ['set back before the spec was touched', input({ vm: vmWith('root-old'), vmi: copying('root-old') }), 'revert'],
    [
      'set back while a migration runs',
      input({ vm: vmWith('root-old'), vmi: copying('root-new'), activeMigrations: [storedMigration('m1')] }),
      'stop-migrations',
    ],
    ['a third claim half-way [SLM 5.2 #22]', input({ vm: vmWith('small'), vmi: copying('root-new') }), 'refuse'],
    ['another migration runs', input({ activeMigrations: [storedMigration('m1')] }), 'hold'],
    ['the target does not exist', input({ vm: vmWith('nowhere') }), 'hold'],
    ['the target is too small', input({ vm: vmWith('small') }), 'hold'],
    ['shareable', input({ disk: { shareable: true } }), 'require-restart'],
    ['LUN', input({ disk: { lun: {} } }), 'require-restart'],
    ['CD-ROM', input({ disk: { cdrom: {} } }), 'require-restart'],
    ['read-only', input({ disk: { disk: { readonly: true } } }), 'require-restart'],
    [
      'not migratable at all',
      input({ vmi: storedVmi({ conditions: [condition('StorageLiveMigratable', 'False', { message: 'SEV' })] }) }),
      'require-restart',
    ],
    [
      'a condition about an edit that is gone [SLM H7]',
      input({ vm: vmWith('root-old'), vmi: storedVmi({ conditions: [condition('VolumesChange', 'False')] }) }),
      'drop-stale-condition',
    ],
    [
      'the note of a cancellation stays',
      input({
        vm: vmWith('root-old'),
        vmi: storedVmi({ conditions: [condition('VolumesChange', 'False', { reason: 'VolumesChangeCancellation' })] }),
      }),
      'nothing',
    ],
  ])('%s', (_, seen, wanted) => expect(decideVolumeUpdate(seen).do).toBe(wanted));

  it('compares with the size the guest sees, in numbers', () => {
    const vmi = storedVmi({ volumeStatus: [{ name: 'root', size: 2 ** 31 }] });
    expect(decideVolumeUpdate(input({ vmi }))).toMatchObject({
      do: 'hold',
      reason: 'TargetTooSmall',
      message: expect.stringContaining('2147483648'),
    });
  });

  it.each<[string, DataVolume['spec'], 'Succeeded' | 'WaitForFirstConsumer' | 'ImportInProgress', string]>([
    ['filled', { source: { http: { url: 'x' } } }, 'Succeeded', 'announce'],
    ['blank, waiting for its consumer', { source: { blank: {} } }, 'WaitForFirstConsumer', 'announce'],
    [
      'an import would overwrite the copy [SLM H10]',
      { source: { http: { url: 'x' } } },
      'ImportInProgress',
      'require-restart',
    ],
  ])('a DataVolume target: %s', (_, spec, phase, wanted) => {
    const vm = vmWith('root-old');
    vm.spec.template.spec.volumes = [{ name: 'root', dataVolume: { name: 'root-new' } }];
    const dataVolume: DataVolume = {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'DataVolume',
      metadata: {},
      spec,
      status: { phase },
    };
    expect(decideVolumeUpdate(input({ vm, dataVolume: () => dataVolume })).do).toBe(wanted);
  });

  it.each<[string, 'ReadWriteOnce' | 'ReadWriteMany' | 'ReadOnlyMany', boolean, string]>([
    ['ReadWriteOnce left behind [SLM 5.2 #20]', 'ReadWriteOnce', false, 'require-restart'],
    ['ReadOnlyMany left behind [SLM H4]', 'ReadOnlyMany', false, 'require-restart'],
    ['ReadWriteMany may stay [SLM 5.2 #20]', 'ReadWriteMany', false, 'announce'],
    ['a move in place leaves nothing behind', 'ReadWriteOnce', true, 'announce'],
  ])('a sibling volume: %s', (_, mode, inPlace, wanted) => {
    const vmi = storedVmi({
      volumeStatus: [{ name: 'data', persistentVolumeClaimInfo: { claimName: 'data', accessModes: [mode] } }],
    });
    const update = decideVolumeUpdate(input({ vmi, reachableInPlace: () => inPlace }));
    expect(update.do).toBe(wanted);
    if (update.do === 'require-restart') expect(update.message).toContain('data');
  });
});

describe("the VM's record of a volume migration [SLM 5.2 #23]", () => {
  const recorded = { volumeUpdateState: { volumeMigrationState: { migratedVolumes: listed } } };
  const withRecord = (
    claim: string,
    strategy: string,
    conditions = [condition('VolumesChange')],
  ): Stored<VirtualMachine> => ({
    ...vmWith(claim, strategy),
    status: { ...recorded, conditions },
  });
  it.each<[string, Stored<VirtualMachine>, Stored<VirtualMachineInstance> | undefined, boolean, string]>([
    ['starts with the copy', vmWith('root-new'), copying('root-new'), true, 'unchanged'],
    [
      'stays after success',
      withRecord('root-new', 'Migration', []),
      storedVmi({ phase: 'Running' }, { claim: 'root-new' }),
      true,
      'unchanged',
    ],
    ['guest gone in the middle', withRecord('root-new', 'Migration'), undefined, true, 'required'],
    [
      'guest ended in the middle',
      withRecord('root-new', 'Migration'),
      storedVmi({ phase: 'Failed', migratedVolumes: listed }),
      true,
      'unneeded',
    ],
    [
      'user stopped the guest in the middle',
      { ...withRecord('root-new', 'Migration'), spec: { ...vmWith('root-new').spec, runStrategy: 'Halted' } },
      storedVmi({ phase: 'Running', migratedVolumes: listed }, { deleted: true }),
      true,
      'required',
    ],
    ['guest gone long after success', withRecord('root-new', 'Migration', []), undefined, true, 'unchanged'],
    ['claims set back', withRecord('root-old', 'Migration'), undefined, false, 'cleared'],
    ['strategy dropped', withRecord('root-new', 'none'), undefined, false, 'cleared'],
    ['never any', vmWith('root-new'), undefined, false, 'unchanged'],
  ])('%s', (_, vm, vmi, kept, manualRecovery) => {
    const verdict = decideRecord(vm, vmi, () => true, NOW);
    expect(verdict.migratedVolumes !== undefined).toBe(kept);
    expect(verdict.manualRecovery).toBe(manualRecovery);
  });
});

describe('a move in place that has left some volumes on their destination', () => {
  const both = ['root', 'data'].map((volumeName) => ({
    volumeName,
    sourcePVCInfo: { claimName: `${volumeName}-old` },
    destinationPVCInfo: { claimName: `${volumeName}-new` },
  }));
  const volumes = (root: string, data: string) => [
    { name: 'root', persistentVolumeClaim: { claimName: root } },
    { name: 'data', persistentVolumeClaim: { claimName: data } },
  ];
  function machine(root: string, data: string, strategy = 'Migration'): Stored<VirtualMachine> {
    const vm = vmWith(root, strategy);
    vm.spec.template.spec.volumes = volumes(root, data);
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
    const update = decideVolumeUpdate(input({ vm, vmi: half() }));
    expect(update).toEqual({ do: 'revert', volumes: volumes('root-new', 'data-old') });
    const settled = instanceSteps(half(), update, 0).at(-1);
    expect(settled?.status).not.toHaveProperty('migratedVolumes');
    expect(settled?.status?.migrationState).not.toHaveProperty('movedVolumes');
    const next = decideVolumeUpdate(input({ vm, vmi: settled ?? half() }));
    const back = { sourcePVCInfo: { claimName: 'root-new' }, destinationPVCInfo: { claimName: 'root-old' } };
    if (_ === 'set back') expect(next).toMatchObject({ do: 'announce', volumes: [{ volumeName: 'root', ...back }] });
    else expect(next.do).toBe('nothing');
  });

  it('is not set back without a copy', () => {
    const update = decideVolumeUpdate(input({ vm: machine('root-old', 'data-old', 'none'), vmi: half() }));
    expect(update).toMatchObject({ do: 'refuse', message: expect.stringContaining('root on root-new') });
  });

  it('is not set back before the agent has said how the move ended', () => {
    const vmi = half('Running', { failed: false, startTimestamp: '2026-01-01T00:00:00Z' });
    const vm = machine('root-old', 'data-old');
    expect(decideVolumeUpdate(input({ vm, vmi }))).toEqual({ do: 'stop-migrations', migrations: [] });
  });

  it('is tried again when the volumes are wanted after all', () => {
    const vmi = half();
    const cancelled = condition('VolumesChange', 'False', { reason: 'VolumesChangeCancellation' });
    vmi.status = { ...vmi.status, conditions: [cancelled] };
    expect(decideVolumeUpdate(input({ vm: machine('root-new', 'data-new'), vmi })).do).toBe('drop-stale-condition');
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
