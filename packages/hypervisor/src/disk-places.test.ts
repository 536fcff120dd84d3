import { describe, expect, it } from 'vitest';
import { placesOf, takesDisks, withDisk, withoutDisk } from './disk-places.ts';
import type { DiskSpec, MachineSpec } from './contract/machine-spec.ts';

const disk = (name: string, bus: DiskSpec['bus'] = 'scsi'): DiskSpec => ({
  name,
  device: 'disk',
  bus,
  readOnly: false,
  cache: 'none',
  sizeBytes: 1 << 20,
});

function machine(disks: DiskSpec[], hotplug = true): MachineSpec {
  const cpu = { model: 'max', sockets: 1, cores: 1, threads: 1 };
  const rest = { name: 'vm', uuid: '', machineType: 'q35', memoryKiB: 1, nics: [], rng: false, serial: undefined };
  return { ...rest, cpu, disks, hotplug };
}

describe('places of disks', () => {
  const started = machine([disk('root', 'virtio'), disk('a'), disk('seed', 'sata'), disk('b')]);

  it('follow from the order of those that were there at the start', () => {
    expect(Object.fromEntries(placesOf(started.disks))).toEqual({
      root: { node: 0, unit: 0 },
      a: { node: 1, unit: 0 },
      seed: { node: 2, unit: 0 },
      b: { node: 3, unit: 1 },
    });
  });

  it('never move when another disk leaves or comes, whatever the order', () => {
    const before = placesOf(started.disks);
    const less = withoutDisk(started, 'a');
    expect(less.disks.map(({ name }) => name)).toEqual(['root', 'seed', 'b']);
    for (const name of ['root', 'seed', 'b']) expect(placesOf(less.disks).get(name)).toEqual(before.get(name));
    const more = withDisk(withDisk(less, disk('c')), disk('d'));
    for (const name of ['root', 'seed', 'b']) expect(placesOf(more.disks).get(name)).toEqual(before.get(name));
    expect(placesOf(more.disks).get('c')).toEqual({ node: 1, unit: 0 });
    expect(placesOf(more.disks).get('d')).toEqual({ node: 4, unit: 2 });
  });

  it('are never shared, however many come and go', () => {
    let spec = started;
    for (let i = 0; i < 40; i += 1) {
      spec = withDisk(spec, disk(`n${i}`));
      if (i % 3 === 0) spec = withoutDisk(spec, `n${i / 3}`);
      const places = [...placesOf(spec.disks).values()];
      expect(new Set(places.map(({ node }) => node)).size).toBe(places.length);
      const scsi = spec.disks.filter(({ bus }) => bus === 'scsi').map(({ place }) => place?.unit);
      expect(new Set(scsi).size).toBe(scsi.length);
    }
  });

  it('keep the controller when its last disk leaves', () => {
    const spec = machine([disk('a')], false);
    expect(takesDisks(spec)).toBe(true);
    expect(takesDisks(withoutDisk(spec, 'a'))).toBe(true);
  });

  it.each<[string, () => unknown]>([
    ['a disk on another bus', () => withDisk(started, disk('x', 'virtio'))],
    ['a CD-ROM', () => withDisk(started, { ...disk('x'), device: 'cdrom' })],
    ['a machine without a controller', () => withDisk(machine([disk('root', 'virtio')], false), disk('x'))],
    ['a disk on another bus that leaves', () => withoutDisk(started, 'root')],
  ])('are not there for %s', (_, attempt) => {
    expect(attempt).toThrow(expect.objectContaining({ code: 'HYPERVISOR_SPEC_UNSUPPORTED' }));
  });
});
