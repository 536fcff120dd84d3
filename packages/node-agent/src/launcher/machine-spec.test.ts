import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { deterministicMac, machineSpecOf } from './machine-spec.ts';

type Spec = VirtualMachineInstance['spec'];

type Wish = Omit<Partial<Spec>, 'domain'> & { domain?: Partial<Spec['domain']> };

function vmi(spec: Wish): Stored<VirtualMachineInstance> {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'a', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { ...spec, domain: { devices: {}, ...spec.domain } },
  };
}

const facts = { acceleration: 'tcg', qemu: { major: 7, minor: 2 }, sizeOf: () => 1024 } as const;
const specOf = (spec: Wish) => machineSpecOf(vmi(spec), facts);

describe('the machine of a VMI', () => {
  it('has a versioned type, so that both sides of a migration agree', () => {
    expect(specOf({}).machineType).toBe('pc-q35-7.2');
    expect(specOf({ domain: { machine: { type: 'pc' } } }).machineType).toBe('pc-i440fx-7.2');
    expect(specOf({ domain: { machine: { type: 'pc-q35-6.0' } } }).machineType).toBe('pc-q35-6.0');
  });

  it('keeps RAM off the size that QEMU 7 corrupts in live migration', () => {
    expect(specOf({ domain: { memory: { guest: '256Mi' } } }).memoryKiB).toBe(256 * 1024 + 8);
  });

  it.each<[Partial<Spec['domain']>, object]>([
    [{ cpu: { cores: 2, threads: 2 } }, { sockets: 1, cores: 2, threads: 2 }],
    [{ resources: { requests: { cpu: '1500m' } } }, { sockets: 2, cores: 1, threads: 1 }],
    [{}, { sockets: 1, cores: 1, threads: 1 }],
  ])('reads CPUs from %j', (domain, topology) => expect(specOf({ domain }).cpu).toMatchObject(topology));

  it('has the implicit interface unless told otherwise, with an address that never changes', () => {
    expect(specOf({}).nics).toEqual([
      {
        name: 'default',
        mac: deterministicMac('u', 'default'),
        model: 'virtio-net-pci',
        backend: 'user',
        forwards: [],
      },
    ]);
    expect(specOf({ domain: { devices: { autoattachPodInterface: false } } }).nics).toEqual([]);
    expect(deterministicMac('u', 'default')).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(deterministicMac('u', 'other')).not.toBe(deterministicMac('u', 'default'));
  });

  it('shows volumes as the disks say, CD-ROMs read-only', () => {
    const { disks } = specOf({
      domain: {
        devices: {
          disks: [
            { name: 'root', disk: { bus: 'virtio' }, bootOrder: 1, serial: 'S', cache: 'writethrough' },
            { name: 'cd', cdrom: {} },
          ],
        },
      },
      volumes: [
        { name: 'root', persistentVolumeClaim: { claimName: 'c' } },
        { name: 'cd', containerDisk: { image: 'i' } },
        { name: 'seed', cloudInitNoCloud: { userData: 'x' } },
      ],
    });
    expect(disks).toEqual([
      {
        name: 'root',
        device: 'disk',
        bus: 'virtio',
        readOnly: false,
        bootOrder: 1,
        serial: 'S',
        cache: 'writethrough',
        sizeBytes: 1024,
      },
      { name: 'cd', device: 'cdrom', bus: 'sata', readOnly: true, cache: 'none', sizeBytes: 1024 },
      { name: 'seed', device: 'disk', bus: 'virtio', readOnly: false, cache: 'none', sizeBytes: 1024 },
    ]);
  });

  it.each<[string, Wish]>([
    ['a disk without a volume', { domain: { devices: { disks: [{ name: 'x' }] } } }],
    [
      'an unknown bus',
      { domain: { devices: { disks: [{ name: 'x', disk: { bus: 'usb' } }] } }, volumes: [{ name: 'x' }] },
    ],
    ['an unknown network card', { domain: { devices: { interfaces: [{ name: 'n', model: 'ne2k' }] } } }],
  ])('refuses %s', (_, spec) => {
    expect(() => specOf(spec)).toThrow(expect.objectContaining({ code: 'MACHINE_UNSUPPORTED' }));
  });
});
