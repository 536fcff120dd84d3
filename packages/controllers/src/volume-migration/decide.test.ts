import type {
  DataVolume,
  Disk,
  PersistentVolumeClaim,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
} from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { decideVolumeUpdate } from './decide.ts';
import { boundPvc, listed, machineWith, seenMachine } from './testing/objects.ts';
import type { Seen } from './testing/objects.ts';

const vmWith = (claim: string, strategy?: string): Stored<VirtualMachine> => machineWith({ root: claim }, strategy);

const present = ['root-old', 'root-new', 'data-old', 'data-new'];
function pvc(name: string): PersistentVolumeClaim | undefined {
  if (name === 'small') return boundPvc(name, { resources: { requests: { storage: '512Mi' } } });
  return present.includes(name) ? boundPvc(name) : undefined;
}

function input(changes: Partial<Seen> & { disk?: Partial<Disk> } = {}): Seen {
  const { disk, ...rest } = changes;
  const { vm = vmWith('root-new'), vmi = storedVmi({ phase: 'Running' }) } = rest;
  const seen = seenMachine(vm, vmi, { pvc, reachableInPlace: () => false, ...rest });
  if (disk) seen.vmi.spec.domain.devices.disks = [{ name: 'root', disk: {}, ...disk }];
  return seen;
}

const copying = (claim: string): Stored<VirtualMachineInstance> =>
  storedVmi({ phase: 'Running', migratedVolumes: [listed()], conditions: [condition('VolumesChange')] }, { claim });

describe('what a changed volume asks of the running guest', () => {
  it.each<[string, Seen, string]>([
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
