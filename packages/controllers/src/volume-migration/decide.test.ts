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
import { decideVolumeUpdate } from './decide.ts';
import { offlineChange } from './offline.ts';
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
  };
}

function vmWith(claim: string, strategy = 'Migration'): Stored<VirtualMachine> {
  const vm = storedVm(strategy === 'none' ? {} : { updateVolumesStrategy: strategy });
  vm.spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: claim } }];
  return vm;
}

const listed = [
  { volumeName: 'root', sourcePVCInfo: { claimName: 'root-old' }, destinationPVCInfo: { claimName: 'root-new' } },
];
const claims = new Map(
  [pvc('root-old'), pvc('root-new'), pvc('small', '512Mi')].map((one) => [one.metadata.name ?? '', one]),
);

function input(changes: Partial<VolumeUpdateInput> & { disk?: Partial<Disk> } = {}): VolumeUpdateInput {
  const { disk, ...rest } = changes;
  const seen: VolumeUpdateInput = {
    vm: vmWith('root-new'),
    vmi: storedVmi({ phase: 'Running' }),
    pvc: (name) => claims.get(name),
    dataVolume: () => undefined,
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
    ['a third claim half-way', input({ vm: vmWith('small'), vmi: copying('root-new') }), 'refuse'],
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
      'a condition about an edit that is gone',
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
    ['an import would overwrite the copy', { source: { http: { url: 'x' } } }, 'ImportInProgress', 'require-restart'],
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
    ['ReadWriteOnce left behind', 'ReadWriteOnce', false, 'require-restart'],
    ['ReadOnlyMany left behind', 'ReadOnlyMany', false, 'require-restart'],
    ['ReadWriteMany may stay', 'ReadWriteMany', false, 'announce'],
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

describe("the VM's record of a volume migration", () => {
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
      'required',
    ],
    ['guest gone long after success', withRecord('root-new', 'Migration', []), undefined, true, 'unchanged'],
    ['claims set back', withRecord('root-old', 'Migration'), undefined, false, 'cleared'],
    ['strategy dropped', withRecord('root-new', 'none'), undefined, false, 'cleared'],
    ['never any', vmWith('root-new'), undefined, false, 'unchanged'],
  ])('%s', (_, vm, vmi, kept, manualRecovery) => {
    const verdict = decideRecord(vm, vmi);
    expect(verdict.migratedVolumes !== undefined).toBe(kept);
    expect(verdict.manualRecovery).toBe(manualRecovery);
  });
});

describe('a stopped VM whose volumes were re-pointed', () => {
  const stopped = (claim: string, strategy: string): Stored<VirtualMachine> => ({
    ...vmWith(claim, strategy),
    status: { lastVolumes: { root: 'root-old' } },
  });
  const known = (name: string): PersistentVolumeClaim | undefined => claims.get(name);
  it('does not start on a disk nobody has filled', () =>
    expect(offlineChange(stopped('root-new', 'Migration'), known)).toContain('root from root-old to root-new'));
  it.each<[string, Stored<VirtualMachine>]>([
    ['after it was set back', stopped('root-old', 'Migration')],
    ['when the new volumes are taken as they are', stopped('root-new', 'none')],
    ['when it never ran', vmWith('root-new')],
  ])('starts %s', (_, vm) => expect(offlineChange(vm, known)).toBeUndefined());
  it('starts when the old claim is gone for good', () =>
    expect(offlineChange(stopped('root-new', 'Migration'), () => undefined)).toBeUndefined());
});
