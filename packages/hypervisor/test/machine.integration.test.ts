import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootSectorSpec, buildBootSectorDisk, rawFile, typeOnSerial } from '../src/testing/index.ts';
import { createRig, DISK_BYTES, expectNothingLost, type Rig } from './rig.ts';

describe('a QEMU machine', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await createRig();
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  it('boots, pauses, resumes and ends without losing a write', async () => {
    const vm = await rig.boot('vm');
    await vm.serial.past('W', 20);
    await vm.machine.pause();
    expect(await vm.machine.state()).toBe('paused');
    const beat = vm.serial.highest('H');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(vm.serial.highest('H')).toBe(beat);
    await vm.machine.resume();
    await vm.serial.past('H', beat + 20);
    expect(vm.events.map((event) => event.type)).toEqual(['stopped', 'resumed']);
    await expectNothingLost(vm);
    expect(await vm.machine.state()).toBe('gone');
    await vm.machine.exited();
    expect(vm.events.at(-1)?.type).toBe('exited');
  });

  it('keeps the process, in state shutdown, when the guest powers itself off', async () => {
    const vm = await rig.boot('vm');
    await typeOnSerial(vm.directory, 'q');
    await waitFor(async () => (await vm.machine.state()) === 'shutdown', { what: 'power-off', timeoutMs: 5_000 });
    expect(vm.events).toContainEqual(expect.objectContaining({ type: 'shutdown', guestInitiated: true }));
    await expectNothingLost(vm);
  });

  it('asks the guest to power off by ACPI', async () => {
    const vm = await rig.boot('vm');
    await vm.machine.powerDown();
    await waitFor(async () => (await vm.machine.state()) === 'shutdown', { what: 'power-off', timeoutMs: 5_000 });
    await expectNothingLost(vm);
  });

  it('resets: the guest counts from one again', async () => {
    const vm = await rig.boot('vm');
    await vm.serial.past('W', 20);
    await vm.machine.reset();
    const restarted = (): boolean => vm.serial.lines.filter((line) => line.text === 'W 1').length === 2;
    await waitFor(restarted, { what: 'the second W 1', timeoutMs: 5_000 });
    expect(vm.events.map((event) => event.type)).toContain('reset');
  });

  it('is adopted after its client let go, and refuses a second launch', async () => {
    const vm = await rig.boot('vm');
    vm.machine.disconnect();
    const adopted = await rig.hypervisor.adopt(vm.directory);
    expect(adopted?.pid).toBe(vm.machine.pid);
    rig.track(adopted!);
    expect(await adopted!.state()).toBe('running');
    const { spec } = rig;
    const backings = [rawFile(vm.image)];
    await expect(
      rig.hypervisor.launch({ spec, backings, acceleration: 'tcg', directory: vm.directory, mode: 'boot' }),
    ).rejects.toMatchObject({ code: 'HYPERVISOR_ALREADY_RUNNING' });
    await vm.serial.past('W', vm.serial.highest('W') + 10);
    await adopted!.kill();
    await adopted!.exited();
    await expectNothingLost({ ...vm, machine: adopted! });
    expect(await rig.hypervisor.adopt(vm.directory)).toBeUndefined();
  });

  it('is adopted when we died between starting QEMU and noting its pid', async () => {
    const vm = await rig.boot('vm');
    vm.machine.disconnect();
    await editRecord(vm.directory, (record) => delete record['process']);
    const adopted = await rig.hypervisor.adopt(vm.directory);
    rig.track(adopted!);
    expect(adopted?.pid).toBe(vm.machine.pid);
  });

  it('does not mistake another process with the same pid for the machine', async () => {
    const vm = await rig.boot('vm');
    await vm.machine.kill();
    await editRecord(vm.directory, (record) => {
      record['process'] = { ...(record['process'] as object), pid: process.pid };
    });
    expect(await rig.hypervisor.adopt(vm.directory)).toBeUndefined();
  });

  it('knows nothing in a directory without a machine', async () => {
    expect(await rig.hypervisor.adopt(rig.directory)).toBeUndefined();
  });

  it("tells why QEMU did not start, in QEMU's words", async () => {
    const directory = join(rig.directory, 'bad');
    await mkdir(directory);
    const image = join(rig.directory, 'bad.img');
    await buildBootSectorDisk(image, DISK_BYTES);
    const spec = { ...rig.spec, machineType: 'pc-q35-99.9' };
    await expect(
      rig.hypervisor.launch({ spec, backings: [rawFile(image)], acceleration: 'tcg', directory, mode: 'boot' }),
    ).rejects.toMatchObject({
      code: 'HYPERVISOR_LAUNCH_FAILED',
      message: expect.stringContaining('unsupported machine type'),
    });
  });

  it('refuses a disk that is smaller than the guest must see', async () => {
    const directory = join(rig.directory, 'small');
    await mkdir(directory);
    const image = join(rig.directory, 'small.img');
    await writeFile(image, Buffer.alloc(4_096));
    const { spec } = rig;
    await expect(
      rig.hypervisor.launch({ spec, backings: [rawFile(image)], acceleration: 'tcg', directory, mode: 'boot' }),
    ).rejects.toMatchObject({ code: 'HYPERVISOR_BACKING_UNUSABLE' });
  });

  it('accepts every kind of device at its fixed place', async () => {
    const base = bootSectorSpec({ sizeBytes: DISK_BYTES, machineType: 'pc-q35-7.2' });
    const [root] = base.disks;
    const extra = join(rig.directory, 'extra.img');
    await writeFile(extra, Buffer.alloc(2 ** 20));
    const small = { readOnly: false, cache: 'writeback', sizeBytes: 2 ** 19 } as const;
    const spec = {
      ...base,
      name: 'every, kind',
      serial: 'a,b',
      rng: true,
      disks: [
        root!,
        { ...small, name: '1-starts-with-a-digit', device: 'disk', bus: 'scsi', serial: 'S1' },
        { ...small, name: 'cd', device: 'cdrom', bus: 'sata', readOnly: true },
        { ...small, name: 'x'.repeat(63), device: 'disk', bus: 'sata', cache: 'writethrough' },
        { ...small, name: 'cd2', device: 'cdrom', bus: 'scsi', readOnly: true },
      ],
      nics: [
        { name: 'default', mac: '02:00:00:00:00:01', model: 'virtio-net-pci', backend: 'user', forwards: [] },
        { name: 'second', mac: '02:00:00:00:00:02', model: 'e1000', backend: 'user', forwards: [] },
      ],
    } as const;
    const directory = join(rig.directory, 'every');
    await mkdir(directory);
    const image = join(rig.directory, 'every.img');
    await buildBootSectorDisk(image, DISK_BYTES);
    const backings = spec.disks.map((disk, index) => ({
      ...rawFile(index === 0 ? image : `${extra}${disk.readOnly ? '' : index}`, disk.name),
      readOnly: disk.readOnly,
    }));
    for (const backing of backings.slice(1)) await writeFile(backing.path, Buffer.alloc(2 ** 20));
    const machine = await rig.hypervisor.launch({ spec, backings, acceleration: 'tcg', directory, mode: 'boot' });
    rig.track(machine);
    expect(await machine.backings()).toEqual(backings);
    await waitFor(async () => (await readFile(join(directory, 'serial.log'), 'utf8')).includes('W 3'), {
      what: 'writes',
      timeoutMs: 10_000,
    });
  });

  it('offers a second monitor to an observer', async () => {
    const vm = await rig.boot('vm');
    const socket = connect(join(vm.directory, 'observe.sock'));
    const greeting = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.destroy();
    expect(JSON.parse(greeting)).toHaveProperty('QMP');
  });
});

async function editRecord(directory: string, edit: (record: Record<string, unknown>) => void): Promise<void> {
  const path = join(directory, 'machine.json');
  const record = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  edit(record);
  await writeFile(path, JSON.stringify(record));
}
