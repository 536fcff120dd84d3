import type { VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition } from '../virt/testing/objects.ts';
import { checkVolumes } from './checks.ts';
import { changedVolumes } from './decide.ts';
import { input, refusal } from './testing/checks.ts';
import type { Changes } from './testing/checks.ts';

describe('volumes that must not be copied', () => {
  it('nothing is wrong with an ordinary pair [SLM 5.2 #19]', () => expect(refusal({})).toBeUndefined());

  it.each<[string, Changes, string]>([
    [
      'used by another machine',
      { usersOf: () => ['VirtualMachine other'] },
      'claim new is used by VirtualMachine other',
    ],
    ['used by a pod', { usersOf: () => ['Pod backup'] }, 'claim new is used by Pod backup'],
    [
      'swapped: each is the source of the other',
      { wanted: { root: 'b', data: 'a' }, running: { root: 'a', data: 'b' } },
      'claim b has the data of volume data',
    ],
    [
      'chained: one is source and target',
      { wanted: { root: 'b', data: 'c' }, running: { root: 'a', data: 'b' } },
      'claim b has the data of volume data',
    ],
    [
      'still open under another volume, whatever the spec says',
      {
        wanted: { root: 'b', data: 'c' },
        running: { root: 'a', data: 'c' },
        status: {
          volumeStatus: [
            { name: 'data', persistentVolumeClaimInfo: { claimName: 'b', accessModes: ['ReadWriteMany'] } },
          ],
        },
      },
      'claim b has the data of volume data',
    ],
    [
      'the target of two volumes',
      { wanted: { root: 'c', data: 'c' }, running: { root: 'a', data: 'b' } },
      'claim c is named by volume data as well',
    ],
  ])('a target that is %s is refused: its data would be lost', (_, changes, text) => {
    const found = refusal(changes);
    expect(found).toMatchObject({ verdict: 'hold', reason: 'TargetInUse' });
    expect(found?.message).toContain('VirtualMachine vm1, spec.template.spec.volumes[root]: ');
    expect(found?.message).toContain(text);
    expect(found?.message).toMatch(/Name a claim of its own|in two steps/);
  });

  it.each<[string, Changes, string, string]>([
    ['shareable [SLM 5.2 #19]', { disk: { shareable: true } }, 'shareable disks', 'disks[root].shareable'],
    ['LUN [SLM 5.2 #19]', { disk: { lun: {} } }, 'luns', 'disks[root].lun'],
    ['CD-ROM [SLM H3]', { disk: { cdrom: {} } }, 'CD-ROMs', 'disks[root].cdrom'],
    ['read-only disk [SLM H3]', { disk: { disk: { readonly: true } } }, 'read-only disks', 'disks[root].disk.readonly'],
  ])('a %s is never copied', (_, changes, group, field) => {
    const found = refusal(changes);
    expect(found).toMatchObject({ verdict: 'restart', reason: 'VolumeKindUnsupported' });
    expect(found?.message).toContain(group);
    expect(found?.message).toContain(field);
  });

  it('a virtiofs volume is never copied [SLM 5.2 #19]', () => {
    const seen = input({});
    seen.vmi.spec.domain.devices.filesystems = [{ name: 'root', virtiofs: {} }];
    const found = checkVolumes(seen, changedVolumes(seen.vm, seen.vmi));
    expect(found).toMatchObject({ verdict: 'restart', message: expect.stringContaining('filesystems') });
  });

  it.each(['vm', 'vmi'] as const)('a read-only claim in the %s is never copied [SLM H3]', (side) => {
    const seen = input({});
    const spec = side === 'vm' ? seen.vm.spec.template.spec : seen.vmi.spec;
    const claimName = side === 'vm' ? 'new' : 'old';
    spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName, readOnly: true } }];
    const found = checkVolumes(seen, changedVolumes(seen.vm, seen.vmi));
    expect(found).toMatchObject({ verdict: 'restart', reason: 'VolumeKindUnsupported' });
    expect(found?.message).toContain('spec.template.spec.volumes[root].persistentVolumeClaim.readOnly');
  });

  it.each<[string, object, boolean]>([
    ['a hotplugged volume [SLM 5.2 #19]', { phase: 'Ready', hotplugVolume: {} }, false],
    ['one that the guest does not have yet', { phase: 'Bound', message: 'locked', hotplugVolume: {} }, true],
    ['one that was there from the start', {}, false],
  ])('%s is copied once the guest has it', (_, status, held) => {
    const found = refusal({ status: { volumeStatus: [{ name: 'root', ...status }] } });
    if (held) expect(found).toMatchObject({ verdict: 'hold', reason: 'VolumeNotAttached' });
    else expect(found).toBeUndefined();
  });

  it('tells of everything at once, and what only a restart can change outweighs the rest', () => {
    const found = refusal({
      wanted: { root: 'nowhere', data: 'data-new' },
      running: { root: 'old', data: 'data-old' },
      claims: { 'data-new': { accessModes: ['ReadOnlyMany'] } },
      usersOf: (claim) => (claim === 'data-new' ? ['VirtualMachine other'] : []),
      status: { conditions: [condition('StorageLiveMigratable', 'False', { message: 'SEV' })] },
    });
    expect(found).toMatchObject({ verdict: 'restart', reason: 'GuestNotMigratable' });
    expect(found?.message).toMatch(/^\(1\) .*PVC nowhere.*\(2\) .*data-new.*\(3\) .*VirtualMachine other.*\(4\) .*SEV/);
  });

  it('lets a guest that cannot leave its node take volumes that the node can reach', () => {
    const bridged = { conditions: [condition('StorageLiveMigratable', 'False', { message: 'a bridge' })] };
    expect(refusal({ status: bridged })).toMatchObject({ verdict: 'restart', reason: 'GuestNotMigratable' });
    expect(refusal({ status: bridged, inPlace: true })).toBeUndefined();
  });

  it('needs a node that can take the guest in, unless it stays where it is [SLM 6.5 #1]', () => {
    const whyNoNode = 'n2 is unschedulable';
    const found = refusal({ whyNoNode });
    expect(found).toMatchObject({ verdict: 'hold', reason: 'NoCandidateNode' });
    expect(found?.message).toContain('VirtualMachineInstance vm1, status.nodeName: ');
    expect(found?.message).toContain(whyNoNode);
    expect(refusal({ whyNoNode, inPlace: true })).toBeUndefined();
    // What is wrong with a volume is told without its consequences.
    expect(refusal({ whyNoNode, wanted: { root: 'nowhere' } })?.message).not.toContain(whyNoNode);
  });

  it('names what would be left behind in the words clients look for [SLM 5.1 #13]', () => {
    const left: VirtualMachineInstance['status'] = {
      volumeStatus: [
        { name: 'data', persistentVolumeClaimInfo: { claimName: 'data', accessModes: ['ReadWriteOnce'] } },
      ],
    };
    expect(refusal({ status: left })?.message).toContain(
      'invalid volumes to update with migration: data (ReadWriteOnce)',
    );
    expect(refusal({ status: left })?.known).toBe(
      'cannot migrate the VM. The volume data is RWO and not included in the migration volumes',
    );
    // Whatever else takes a restart is not in those words.
    expect(refusal({ status: left, disk: { shareable: true } })?.known).toBeUndefined();
    expect(refusal({ status: left, inPlace: true })).toBeUndefined();
  });
});
