import { describe, expect, it } from 'vitest';
import { forwardRule, qemuArguments } from './qemu-arguments.ts';
import type { LaunchOptions } from './contract/hypervisor.ts';
import type { DiskSpec, MachineSpec } from './contract/machine-spec.ts';

const DISK: DiskSpec = {
  name: 'root',
  device: 'disk',
  bus: 'virtio',
  readOnly: false,
  cache: 'none',
  sizeBytes: 2 ** 30,
};

const SPEC: MachineSpec = {
  name: 'vm',
  uuid: '11111111-2222-4333-8444-555555555555',
  machineType: 'pc-q35-7.2',
  cpu: { model: 'max', sockets: 1, cores: 2, threads: 1 },
  memoryKiB: 262_152,
  disks: [DISK],
  nics: [
    {
      name: 'default',
      mac: '02:00:00:00:00:01',
      model: 'virtio-net-pci',
      backend: 'user',
      forwards: [{ protocol: 'tcp', hostPort: 2222, guestPort: 22 }],
    },
  ],
  rng: true,
  serial: undefined,
};

function options(changes: Partial<MachineSpec> = {}, mode: LaunchOptions['mode'] = 'boot'): LaunchOptions {
  const spec = { ...SPEC, ...changes };
  const backings = spec.disks.map(
    ({ name, readOnly }) => ({ name, path: `/v/${name}.img`, format: 'raw', driver: 'file', readOnly }) as const,
  );
  return { spec, backings, acceleration: 'tcg', directory: '/run/vm', mode };
}

/** Values of every occurrence of an option; JSON ones parsed. */
function values(argv: readonly string[], option: string): unknown[] {
  return argv.flatMap((item, index) => {
    if (argv[index - 1] !== option) return [];
    return [item.startsWith('{') ? (JSON.parse(item) as unknown) : item];
  });
}

function devices(changes: Partial<MachineSpec>): readonly Record<string, unknown>[] {
  // The cast is safe: every device is given as a JSON object.
  return values(qemuArguments(options(changes), new Map()), '-device') as Record<string, unknown>[];
}

describe('QEMU arguments', () => {
  it('never let a guest run by itself, in any mode', () => {
    for (const mode of ['boot', 'boot-paused', 'incoming'] as const) {
      const argv = qemuArguments(options({}, mode), new Map());
      expect(argv).toContain('-S');
      expect(argv.includes('-incoming')).toBe(mode === 'incoming');
    }
  });

  it('take the memory size as it is', () => {
    expect(values(qemuArguments(options(), new Map()), '-m')).toEqual(['size=262152K']);
  });

  it('give each device the same address whatever else the machine has', () => {
    const alone = devices({ nics: [], rng: false });
    const withAll = devices({});
    const disk = (list: readonly Record<string, unknown>[]) => list.find((item) => item['id'] === 'disk-root');
    expect(disk(alone)).toEqual(disk(withAll));
    const places = withAll.map((item) => item['addr']);
    expect(new Set(places).size).toBe(places.length);
  });

  it('are the same for source and target apart from the incoming part and the forwards', () => {
    const source = qemuArguments(options({ nics: [] }), new Map());
    const target = qemuArguments(options({ nics: [] }, 'incoming'), new Map());
    expect(target).toEqual([...source, '-incoming', 'defer']);
  });

  it('leave host ports to the source until the target runs', () => {
    const rule = 'hostfwd=tcp:127.0.0.1:2222-10.0.2.2:22';
    expect(values(qemuArguments(options(), new Map()), '-netdev')[0]).toContain(rule);
    expect(values(qemuArguments(options({}, 'incoming'), new Map()), '-netdev')[0]).not.toContain('hostfwd');
    expect(rule).toBe(`hostfwd=${forwardRule(SPEC.nics[0]!.forwards[0]!)}`);
  });

  it('show a bigger file as a disk of exactly the wanted size', () => {
    const exact = qemuArguments(options(), new Map([['root', DISK.sizeBytes]]));
    const bigger = qemuArguments(options(), new Map([['root', DISK.sizeBytes + 512]]));
    expect(values(exact, '-blockdev')[0]).not.toHaveProperty('size');
    expect(values(bigger, '-blockdev')[0]).toMatchObject({ driver: 'raw', size: DISK.sizeBytes });
  });

  it('cut a bigger qcow2 image too', () => {
    const wanted = options();
    const qcow2 = { ...wanted, backings: [{ ...wanted.backings[0]!, format: 'qcow2' } as const] };
    const [tree] = values(qemuArguments(qcow2, new Map([['root', 2 ** 31]])), '-blockdev');
    expect(tree).toMatchObject({ driver: 'raw', size: DISK.sizeBytes, file: { driver: 'qcow2' } });
  });

  it.each([
    ['none', true, 'on'],
    ['writeback', false, 'on'],
    ['writethrough', false, 'off'],
  ] as const)('translate cache mode %s', (cache, direct, writeCache) => {
    const argv = qemuArguments(options({ disks: [{ ...DISK, cache }], nics: [], rng: false }), new Map());
    expect(values(argv, '-blockdev')[0]).toMatchObject({ cache: { direct }, file: { cache: { direct } } });
    expect(values(argv, '-device')[0]).toMatchObject({ 'write-cache': writeCache });
  });

  it('put CD-ROMs where the chipset has them', () => {
    const cd = (name: string): DiskSpec => ({ ...DISK, name, device: 'cdrom', bus: 'sata', readOnly: true });
    const disks = [cd('a'), cd('b')];
    expect(devices({ disks, nics: [], rng: false })).toMatchObject([{ bus: 'ide.0' }, { bus: 'ide.1' }]);
    expect(devices({ disks, nics: [], rng: false, machineType: 'pc-i440fx-7.2' })).toMatchObject([
      { bus: 'ide.0', unit: 0 },
      { bus: 'ide.0', unit: 1 },
    ]);
  });

  it('keep commas inside their values', () => {
    const argv = qemuArguments(options({ name: 'a,b', serial: 'c,d' }), new Map());
    expect(values(argv, '-name')[0]).toContain('guest=a,,b');
    expect(values(argv, '-smbios')[0]).toContain('serial=c,,d');
  });

  it.each([
    ['a virtio CD-ROM', { disks: [{ ...DISK, device: 'cdrom' }] }],
    ['more disks than slots', { disks: Array.from({ length: 24 }, (_, i) => ({ ...DISK, name: `d${i}` })) }],
    ['more NICs than slots', { nics: Array.from({ length: 5 }, () => SPEC.nics[0]!) }],
    [
      'more SATA disks than ports',
      { disks: Array.from({ length: 7 }, (_, i) => ({ ...DISK, name: `d${i}`, bus: 'sata' })) },
    ],
  ] as [string, Partial<MachineSpec>][])('refuse %s', (_name, changes) => {
    expect(() => devices(changes)).toThrow(expect.objectContaining({ code: 'HYPERVISOR_SPEC_UNSUPPORTED' }));
  });

  it('refuse a disk without a backing', () => {
    expect(() => qemuArguments({ ...options(), backings: [] }, new Map())).toThrow(/no backing/);
  });
});
