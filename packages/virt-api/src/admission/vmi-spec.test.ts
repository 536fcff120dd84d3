import type { VirtualMachineInstanceSpec } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { defaultVmiSpec, stableUuid } from './defaults.ts';
import { judgeVmiSpec } from './vmi-spec.ts';

function spec(change: (spec: VirtualMachineInstanceSpec) => void = () => undefined): VirtualMachineInstanceSpec {
  const value: VirtualMachineInstanceSpec = {
    domain: { memory: { guest: '256Mi' }, devices: { disks: [{ name: 'root', disk: { bus: 'virtio' } }] } },
    volumes: [{ name: 'root', dataVolume: { name: 'root' } }],
  };
  change(value);
  return value;
}

describe('judging a VMI spec', () => {
  it('accepts a plain guest without a word', () => {
    expect(judgeVmiSpec(spec(), 'spec')).toEqual({ problems: [], warnings: [] });
  });

  it.each<[string, (s: VirtualMachineInstanceSpec) => void, string]>([
    ['no memory at all', (s) => delete s.domain.memory, 'spec.domain.memory.guest'],
    ['memory that is no quantity', (s) => (s.domain.memory = { guest: '1GiB' }), 'spec.domain.memory.guest'],
    [
      'a disk without a volume',
      (s) => s.domain.devices.disks?.push({ name: 'x', disk: {} }),
      'spec.domain.devices.disks[1].name',
    ],
    [
      'a volume without a disk',
      (s) => s.volumes?.push({ name: 'x', emptyDisk: { capacity: '1Gi' } }),
      'spec.volumes[1].name',
    ],
    [
      'a volume with two sources',
      (s) => Object.assign(s.volumes?.[0] ?? {}, { emptyDisk: { capacity: '1Gi' } }),
      'spec.volumes[0]',
    ],
    [
      'an unknown bus',
      (s) => Object.assign(s.domain.devices.disks?.[0] ?? {}, { disk: { bus: 'usb' } }),
      'spec.domain.devices.disks[0].disk.bus',
    ],
    ['a GPU', (s) => (s.domain.devices['gpus'] = [{ name: 'g', deviceName: 'd' }]), 'spec.domain.devices.gpus'],
    ['a machine type that does not exist', (s) => (s.domain.machine = { type: 'isapc' }), 'spec.domain.machine.type'],
    ['another architecture', (s) => (s.architecture = 's390x'), 'spec.architecture'],
    [
      'an interface without a network',
      (s) => (s.domain.devices.interfaces = [{ name: 'n', masquerade: {} }]),
      'spec.domain.devices.interfaces[0].name',
    ],
    [
      'a volume whose name leads out of a directory',
      (s) => {
        s.volumes?.push({ name: '../../volumes/pvc-1/disk', emptyDisk: { capacity: '1Gi' } });
        s.domain.devices.disks?.push({ name: '../../volumes/pvc-1/disk', disk: {} });
      },
      'spec.volumes[1].name',
    ],
    [
      'two ways to give network data',
      (s) => s.volumes?.push({ name: 'x', cloudInitNoCloud: { networkData: 'a', networkDataBase64: 'Yg==' } }),
      'spec.volumes[1].cloudInitNoCloud',
    ],
    [
      'an image without a name',
      (s) => s.volumes?.push({ name: 'x', containerDisk: { image: '' } }),
      'spec.volumes[1].containerDisk.image',
    ],
    [
      'a claim without a name',
      (s) => s.volumes?.push({ name: 'x', persistentVolumeClaim: { claimName: '' } }),
      'spec.volumes[1].persistentVolumeClaim.claimName',
    ],
    [
      'two uses of one claim',
      (s) => {
        s.volumes?.push({ name: 'b', persistentVolumeClaim: { claimName: 'root' } });
        s.domain.devices.disks?.push({ name: 'b', disk: {} });
      },
      'spec.volumes',
    ],
  ])('refuses %s, naming the field', (_, change, field) => {
    expect(judgeVmiSpec(spec(change), 'spec').problems.map((problem) => problem.field)).toContain(field);
  });
});

describe('defaults', () => {
  it('attaches the pod network unless told not to', () => {
    const value = spec();
    defaultVmiSpec(value, 'a');
    expect(value.networks).toEqual([{ name: 'default', pod: {} }]);
    const without = spec((s) => (s.domain.devices.autoattachPodInterface = false));
    defaultVmiSpec(without, 'a');
    expect(without.networks).toBeUndefined();
  });

  it('gives a volume without a disk one of its own', () => {
    const value = spec((s) => s.volumes?.push({ name: 'seed', cloudInitNoCloud: { userData: '' } }));
    defaultVmiSpec(value, 'a');
    expect(value.domain.devices.disks?.map((disk) => disk.name)).toEqual(['root', 'seed']);
    expect(judgeVmiSpec(value, 'spec').problems).toEqual([]);
  });

  it('derives a uuid that depends on the name only', () => {
    expect(stableUuid('a')).toBe(stableUuid('a'));
    expect(stableUuid('a')).not.toBe(stableUuid('b'));
    expect(stableUuid('a')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
