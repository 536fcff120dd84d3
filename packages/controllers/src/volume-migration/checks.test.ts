import type {
  DataVolume,
  AccessMode,
  Disk,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VirtualMachineInstance,
  Volume,
} from '@godwit/api';
import { names } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { condition, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { checkVolumes } from './checks.ts';
import { changedVolumes } from './decide.ts';
import type { VolumeUpdateInput } from './types.ts';

interface Changes {
  /** Volume to claim, in the VM. */
  readonly wanted?: Record<string, string>;
  /** Volume to claim, under the guest. */
  readonly running?: Record<string, string>;
  readonly claims?: Record<
    string,
    Partial<PersistentVolumeClaim['spec']> & {
      phase?: 'Bound' | 'Lost' | 'Pending';
      capacity?: string;
      annotations?: Record<string, string>;
    }
  >;
  readonly dataVolumes?: readonly DataVolume[];
  readonly expandable?: boolean;
  readonly storageClass?: StorageClass | undefined;
  readonly pv?: PersistentVolume;
  readonly disk?: Partial<Disk>;
  readonly status?: VirtualMachineInstance['status'];
  readonly usersOf?: (claim: string) => readonly string[];
  readonly inPlace?: boolean;
  readonly whyNoNode?: string;
  readonly free?: number;
}

function volumes(claims: Record<string, string>): Volume[] {
  return Object.entries(claims).map(([name, claimName]) => ({ name, persistentVolumeClaim: { claimName } }));
}

function classOf(provisioner: string, allowVolumeExpansion = false): StorageClass {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'fast' },
    provisioner,
    allowVolumeExpansion,
  };
}

function input(changes: Changes): VolumeUpdateInput {
  const vm = storedVm({ updateVolumesStrategy: 'Migration' });
  vm.spec.template.spec.volumes = volumes(changes.wanted ?? { root: 'new' });
  const vmi = storedVmi({ phase: 'Running', ...changes.status });
  vmi.spec.volumes = volumes(changes.running ?? { root: 'old' });
  if (changes.disk) vmi.spec.domain.devices.disks = [{ name: 'root', disk: {}, ...changes.disk }];
  const pvc = (name: string): PersistentVolumeClaim | undefined => {
    if (name === 'nowhere') return undefined;
    const { phase = 'Bound', capacity, annotations = {}, ...spec } = changes.claims?.[name] ?? {};
    const modes: AccessMode[] = ['ReadWriteOnce'];
    return {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, annotations },
      spec: { accessModes: modes, resources: { requests: { storage: '1Gi' } }, ...spec },
      status: { phase, ...(capacity === undefined ? {} : { capacity: { storage: capacity } }) },
    };
  };
  const storageClass = 'storageClass' in changes ? changes.storageClass : classOf('p', changes.expandable ?? false);
  return {
    vm,
    vmi,
    pvc,
    dataVolume: (name) => changes.dataVolumes?.find((one) => one.metadata.name === name),
    claim: (name) => ({ pvc: pvc(name), pv: changes.pv, storageClass }),
    usersOf: changes.usersOf ?? (() => []),
    whyNoNode: () => changes.whyNoNode,
    freeBytes: () => changes.free,
    reachableInPlace: () => changes.inPlace ?? false,
    activeMigrations: [],
  };
}

const refusal = (changes: Changes) => {
  const seen = input(changes);
  return checkVolumes(seen, changedVolumes(seen.vm, seen.vmi));
};

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

  it.each<[string, Changes, string, string]>([
    ['can only be read', { claims: { new: { accessModes: ['ReadOnlyMany'] } } }, 'TargetReadOnly', 'spec.accessModes'],
    ['has lost its volume', { claims: { new: { phase: 'Lost' } } }, 'TargetLost', 'status.phase'],
    ['does not exist [SLM 5.1 #7]', { wanted: { root: 'nowhere' } }, 'TargetNotFound', 'PVC nowhere'],
    [
      'is smaller than the disk',
      { status: { volumeStatus: [{ name: 'root', size: 2 ** 31 }] } },
      'TargetTooSmall',
      '2147483648',
    ],
  ])('a target that %s is refused', (_, changes, reason, text) => {
    expect(refusal(changes)).toMatchObject({ verdict: 'hold', reason, message: expect.stringContaining(text) });
  });

  const filling = (source: string, phase = 'Running') => ({
    'cdi.kubevirt.io/storage.import.source': source,
    'cdi.kubevirt.io/storage.pod.phase': phase,
  });
  const importing = (phase: 'ImportInProgress' | 'Succeeded'): DataVolume => ({
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name: 'new' },
    spec: { source: { http: { url: 'http://images.example/disk.raw' } } },
    status: { phase },
  });
  it('a claim that an import fills is refused, also when a volume names it without its DataVolume', () => {
    const claims = { new: { annotations: filling('http') } };
    const message = expect.stringContaining('DataVolume new, spec.source') as string;
    expect(refusal({ claims, dataVolumes: [importing('ImportInProgress')] })).toMatchObject({
      verdict: 'restart',
      reason: 'TargetStillFilled',
      message,
    });
    const alone = expect.stringContaining('PVC new, metadata.annotations') as string;
    expect(refusal({ claims })).toMatchObject({ verdict: 'restart', reason: 'TargetStillFilled', message: alone });
    const done = { new: { annotations: filling('http', 'Succeeded') } };
    expect(refusal({ claims: done, dataVolumes: [importing('Succeeded')] })).toBeUndefined();
    expect(refusal({ claims: done })).toBeUndefined();
  });

  it('a bound blank target is waited for until it is made; one that is not bound yet is made on the way', () => {
    const claims = { new: { annotations: filling('blank') } };
    expect(refusal({ claims })).toMatchObject({ verdict: 'hold', reason: 'TargetStillFilled' });
    expect(refusal({ claims: { new: { annotations: filling('blank', 'Succeeded') } } })).toBeUndefined();
    expect(refusal({ claims: { new: { phase: 'Pending', annotations: filling('blank') } } })).toBeUndefined();
  });

  const full: PersistentVolume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pvc-1', annotations: { 'godwit.dev/provision-error': 'the node pool has 5 bytes free' } },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] } as PersistentVolume['spec'],
  };
  it.each<[string, Changes, string, string]>([
    [
      'has a class that does not exist [SLM 5.1 #11]',
      { claims: { new: { phase: 'Pending', storageClassName: 'nope' } }, storageClass: undefined },
      'StorageClassNotFound',
      'PVC new, spec.storageClassName: StorageClass nope does not exist',
    ],
    [
      'has no class, and there is no default',
      { claims: { new: { phase: 'Pending' } }, storageClass: undefined },
      'StorageClassNotFound',
      'no default one',
    ],
    [
      'asks for what its class does not offer',
      {
        claims: { new: { phase: 'Pending', accessModes: ['ReadWriteMany'] } },
        storageClass: classOf(names.provisioner),
      },
      'TargetNotProvisioned',
      'does not offer ReadWriteMany',
    ],
    [
      'got no volume for want of space',
      { claims: { new: { phase: 'Pending' } }, pv: full },
      'TargetNotProvisioned',
      'the node pool has 5 bytes free. Free space there',
    ],
  ])('a target that %s is refused before anything is announced', (_, changes, reason, text) => {
    expect(refusal(changes)).toMatchObject({ verdict: 'hold', reason, message: expect.stringContaining(text) });
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

  it('needs room for all targets that the node of the guest is to make, together [SLM 6.5 #1]', () => {
    const changes: Changes = {
      wanted: { root: 'a-new', data: 'b-new' },
      running: { root: 'a', data: 'b' },
      claims: { 'a-new': { phase: 'Pending' }, 'b-new': { phase: 'Pending' } },
      storageClass: classOf(names.provisioner),
      inPlace: true,
    };
    const found = refusal({ ...changes, free: 2 ** 30 });
    expect(found).toMatchObject({ verdict: 'hold', reason: 'TargetPoolFull' });
    expect(found?.message).toContain('PVC a-new, b-new, spec.resources.requests.storage: the node pool of node ');
    expect(found?.message).toContain('has 1073741824 bytes free, 2147483648 are asked for');
    expect(refusal({ ...changes, free: 2 ** 31 })).toBeUndefined();
    expect(refusal(changes)).toBeUndefined();
    // A volume that exists has its room.
    expect(refusal({ ...changes, claims: {}, free: 0 })).toBeUndefined();
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

describe('the size of a target [SLM 6.5 #1, #11]', () => {
  const GIB = 2 ** 30;
  const request = (storage: string) => ({ resources: { requests: { storage } } });
  const disk = (size: number): VirtualMachineInstance['status'] => ({ volumeStatus: [{ name: 'root', size }] });

  it.each<[string, Changes]>([
    [
      '1G device to 1G device',
      { claims: { new: { ...request('1G'), volumeMode: 'Block' } }, status: disk(1000001536) },
    ],
    ['unbound, of the same request', { claims: { new: { phase: 'Pending' } }, status: disk(GIB) }],
    ['bigger', { claims: { new: request('2Gi') }, status: disk(GIB) }],
  ])('%s fits', (_, changes) => expect(refusal(changes)).toBeUndefined());

  it('slightly smaller because of rounding: it is expanded, and waited for', () => {
    const small = { ...request('1G'), capacity: '1G' };
    const found = refusal({ claims: { new: small }, expandable: true, status: disk(1000001536) });
    expect(found).toMatchObject({ verdict: 'hold', reason: 'TargetExpanding' });
    expect(found?.expand).toEqual([{ claim: 'new', size: '954Mi' }]);
    const asked = { ...request('954Mi'), capacity: '1G' };
    const waiting = refusal({ claims: { new: asked }, expandable: true, status: disk(1000001536) });
    expect(waiting?.reason).toBe('TargetExpanding');
    expect(waiting).not.toHaveProperty('expand');
    expect(refusal({ claims: { new: { ...asked, capacity: '954Mi' } }, status: disk(1000001536) })).toBeUndefined();
  });

  it.each<[string, Changes, string]>([
    ['its class does not let it grow', { status: disk(GIB + 4096) }, 'storage class (none) does not allow'],
    ['half of the disk', { status: disk(2 * GIB), expandable: true }, 'Set it to at least 2Gi'],
    [
      'not bound',
      { status: disk(GIB + 4096), expandable: true, claims: { new: { phase: 'Pending' } } },
      'Create the claim anew with at least 1025Mi',
    ],
  ])('is refused before any copying, with numbers and remedy: %s', (_, changes, remedy) => {
    const found = refusal(changes);
    expect(found).toMatchObject({ verdict: 'hold', reason: 'TargetTooSmall' });
    expect(found?.message).toContain('PVC new, spec.resources.requests.storage: it offers 1073741824 bytes');
    expect(found?.message).toContain(remedy);
    expect(found).not.toHaveProperty('expand');
  });

  it('a claim that somebody else uses is not even expanded', () => {
    const found = refusal({ status: disk(GIB + 4096), expandable: true, usersOf: () => ['Pod backup'] });
    expect(found).toMatchObject({ reason: 'TargetInUse', message: expect.stringContaining('expanded to 1025Mi') });
    expect(found).not.toHaveProperty('expand');
  });
});
