import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectQmp } from '@godwit/qmp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DiskSpec, Machine } from '../src/index.ts';
import { bootSectorSpec, rawFile } from '../src/testing/index.ts';
import { converge, handOver } from './move.ts';
import { createRig, DISK, DISK_BYTES, emptyFile, expectDiskSound, expectNothingLost, mirrorReady } from './rig.ts';
import type { Rig, RunningMachine } from './rig.ts';

const BYTES = 4 * 2 ** 20;

const hot = (name: string): DiskSpec => ({
  name,
  device: 'disk',
  bus: 'scsi',
  readOnly: false,
  serial: `serial-${name}`,
  cache: 'none',
  sizeBytes: BYTES,
});

/** What QEMU itself shows, by its other monitor: guest devices with their place, and block nodes. */
async function shown({ directory }: RunningMachine): Promise<{ devices: string; nodes: string[] }> {
  const observer = await connectQmp({ path: join(directory, 'observe.sock') });
  try {
    const tree = await observer.execute('human-monitor-command', { 'command-line': 'info qtree' });
    const nodes = await observer.execute('query-named-block-nodes', { flat: true });
    return { devices: tree, nodes: nodes.map((node) => node['node-name'] ?? '').toSorted() };
  } finally {
    observer.close();
  }
}

/** Leaves the disk's nodes behind. */
async function removedBehindOurBack({ directory }: RunningMachine): Promise<void> {
  const observer = await connectQmp({ path: join(directory, 'observe.sock') });
  const gone = Promise.withResolvers<void>();
  observer.onEvent(({ name }) => {
    if (name === 'DEVICE_DELETED') gone.resolve();
  });
  await observer.execute('device_del', { id: 'disk-data' });
  await gone.promise;
  observer.close();
}

async function goesOn(vm: RunningMachine): Promise<void> {
  await vm.serial.past('W', vm.serial.highest('W') + 20);
}

describe('disks that come and go while the guest runs', () => {
  let rig: Rig;
  const spec = { ...bootSectorSpec({ sizeBytes: DISK_BYTES, machineType: 'pc-q35-7.2' }), hotplug: true };
  beforeEach(async () => {
    rig = await createRig(spec);
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  async function image(name: string): Promise<string> {
    const path = join(rig.directory, `${name}.raw`);
    await writeFile(path, randomBytes(BYTES));
    return path;
  }

  /** A predecessor of ours was killed while this disk was changing. */
  async function diedWhile(vm: RunningMachine, disk: string, to: 'attached' | 'detached'): Promise<void> {
    vm.machine.disconnect();
    const path = join(vm.directory, 'machine.json');
    const record = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...record, changing: { disk, to } }));
  }

  async function adopt({ directory }: RunningMachine): Promise<Machine> {
    const machine = await rig.hypervisor.adopt(directory);
    if (!machine) throw new Error('the machine is gone');
    rig.track(machine);
    return machine;
  }

  it('are there after a reset and for whoever adopts the machine, and are closed when they leave', async () => {
    const vm = await rig.boot('vm');
    const path = await image('data');
    await vm.machine.attachDisk(hot('data'), rawFile(path, 'data'));
    await vm.machine.attachDisk(hot('data'), rawFile(path, 'data'));
    expect(vm.machine.spec().disks.map((disk) => disk.name)).toEqual([DISK, 'data']);
    expect((await shown(vm)).devices).toMatch(/scsi-hd, id "disk-data"/);
    expect((await shown(vm)).devices).toContain('serial-data');
    await goesOn(vm);
    await vm.machine.reset();
    await goesOn(vm);
    expect((await vm.machine.backings()).map((backing) => backing.path)).toEqual([vm.image, path]);

    vm.machine.disconnect();
    const adopted = await adopt(vm);
    expect(adopted.spec().disks.map((disk) => disk.name)).toEqual([DISK, 'data']);
    expect((await adopted.detachDisk('data')).disks.map((disk) => disk.name)).toEqual([DISK]);
    await adopted.detachDisk('data');
    const after = await shown(vm);
    expect(after.devices).not.toContain('disk-data');
    expect(after.nodes.filter((name) => name.startsWith('disk1'))).toEqual([]);
    await goesOn(vm);
    // Its lock is gone: it can be a disk again.
    await adopted.attachDisk(hot('again'), rawFile(path, 'again'));
    await adopted.kill();
    await expectDiskSound(vm.image, vm.serial);
  });

  it('leave nothing behind when they cannot come', async () => {
    const vm = await rig.boot('vm');
    const before = await shown(vm);
    const short = join(rig.directory, 'short.raw');
    await emptyFile(short, BYTES / 2);
    const refusals = [
      [join(rig.directory, 'nowhere.raw'), 'HYPERVISOR_BACKING_UNUSABLE'],
      [short, 'HYPERVISOR_BACKING_UNUSABLE'],
      // The guest writes to it already.
      [vm.image, 'HYPERVISOR_COMMAND_FAILED'],
    ] as const;
    for (const [path, code] of refusals)
      await expect(vm.machine.attachDisk(hot('data'), rawFile(path, 'data'))).rejects.toMatchObject({ code });
    expect(vm.machine.spec().disks.map((disk) => disk.name)).toEqual([DISK]);
    expect((await shown(vm)).nodes).toEqual(before.nodes);
    await expect(vm.machine.detachDisk(DISK)).rejects.toMatchObject({ code: 'HYPERVISOR_SPEC_UNSUPPORTED' });
    await goesOn(vm);
    await expectNothingLost(vm);
  });

  it('are forgotten, or kept, as QEMU says, when somebody died while they came or went', async () => {
    const vm = await rig.boot('vm');
    const path = await image('data');
    await vm.machine.attachDisk(hot('data'), rawFile(path, 'data'));
    await diedWhile(vm, 'data', 'attached');
    const whole = await adopt(vm);
    expect(whole.spec().disks.map((disk) => disk.name)).toEqual([DISK, 'data']);

    await diedWhile({ ...vm, machine: whole }, 'data', 'detached');
    const without = await adopt(vm);
    expect(without.spec().disks.map((disk) => disk.name)).toEqual([DISK]);
    expect((await shown(vm)).nodes.filter((name) => name.startsWith('disk1'))).toEqual([]);

    // Its file was opened, its device never came.
    await without.attachDisk(hot('data'), rawFile(path, 'data'));
    await removedBehindOurBack(vm);
    await diedWhile({ ...vm, machine: without }, 'data', 'attached');
    const again = await adopt(vm);
    expect(again.spec().disks.map((disk) => disk.name)).toEqual([DISK]);
    expect((await shown(vm)).nodes.filter((name) => name.startsWith('disk1'))).toEqual([]);
    await again.attachDisk(hot('data'), rawFile(path, 'data'));
    await goesOn(vm);
    await again.kill();
    await expectDiskSound(vm.image, vm.serial);
  });

  it('move with the guest, to the places that they had, and come and go there as well', async () => {
    const source = await rig.boot('source');
    for (const name of ['a', 'b', 'c']) await source.machine.attachDisk(hot(name), rawFile(await image(name), name));
    await source.machine.detachDisk('a');
    const path = (disk: string): string => join(rig.directory, `target-${disk}.raw`);
    for (const disk of [DISK, 'b', 'c']) await emptyFile(path(disk), disk === DISK ? DISK_BYTES : BYTES);
    const target = await rig.receive('target', { spec: source.machine.spec(), backingOf: path });
    const [nbd, memory] = [join(target.directory, 'nbd.sock'), join(target.directory, 'mem.sock')];
    await target.machine.exportDisks(nbd, [DISK, 'b', 'c']);
    for (const disk of [DISK, 'b', 'c']) {
      await source.machine.startMirror(disk, { kind: 'nbd', socketPath: nbd, export: disk });
      await mirrorReady(source.machine, disk);
    }
    await expect(source.machine.detachDisk('b')).rejects.toMatchObject({ code: 'HYPERVISOR_WRONG_STATE' });
    await converge(source, target, memory);
    for (const disk of ['b', 'c']) await source.machine.finishMirror(disk);
    await handOver(source, target);
    await target.machine.resume();
    await target.serial.past('W', source.serial.highest('W') + 20);
    await source.machine.kill();
    for (const disk of ['b', 'c'])
      expect(await readFile(path(disk))).toEqual(await readFile(join(rig.directory, `${disk}.raw`)));

    await target.machine.detachDisk('b');
    await target.machine.attachDisk(hot('d'), rawFile(await image('d'), 'd'));
    expect(target.machine.spec().disks.map((disk) => disk.name)).toEqual([DISK, 'c', 'd']);
    await target.serial.past('W', target.serial.highest('W') + 20);
    await target.machine.kill();
    await expectDiskSound(path(DISK), target.serial, source.serial);
  });

  it('can be copied in place', async () => {
    const vm = await rig.boot('vm');
    await vm.machine.attachDisk(hot('a'), rawFile(await image('a'), 'a'));
    await vm.machine.attachDisk(hot('b'), rawFile(await image('b'), 'b'));
    await vm.machine.detachDisk('a');
    const copy = join(rig.directory, 'copy.raw');
    await emptyFile(copy, BYTES);
    await vm.machine.startMirror('b', { kind: 'file', backing: rawFile(copy, 'b') });
    await mirrorReady(vm.machine, 'b');
    await vm.machine.preparePivot('b');
    await vm.machine.commitPivot('b');
    expect((await vm.machine.backings()).map((backing) => backing.path)).toEqual([vm.image, copy]);
    await vm.machine.detachDisk('b');
    expect(await readFile(copy)).toEqual(await readFile(join(rig.directory, 'b.raw')));
    expect((await shown(vm)).nodes.every((name) => name.startsWith('disk0') || name.startsWith('#'))).toBe(true);
    await goesOn(vm);
    await expectNothingLost(vm);
  });
});
