import { execFileSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rawFile } from '../src/testing/index.ts';
import { createRig, DISK, DISK_BYTES, emptyFile, expectDiskSound, mirrorReady, type Rig } from './rig.ts';

describe('moving a disk under a running machine', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await createRig();
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  it('goes to another file and back again without a pause', async () => {
    const vm = await rig.boot('vm');
    await vm.serial.past('W', 50);
    const second = join(rig.directory, 'second.img');
    const third = join(rig.directory, 'third.img');
    await emptyFile(second, DISK_BYTES + 2 ** 20);
    await emptyFile(third, DISK_BYTES);
    for (const path of [second, third, vm.image]) {
      const started = performance.now();
      await vm.machine.startMirror(DISK, { kind: 'file', backing: rawFile(path) });
      await mirrorReady(vm.machine);
      await vm.machine.preparePivot(DISK);
      await vm.machine.commitPivot(DISK);
      const totalMs = Math.round(performance.now() - started);
      process.stdout.write(`${JSON.stringify({ measured: 'in place', totalMs })}\n`);
      expect(await vm.machine.backings()).toEqual([rawFile(path)]);
      await vm.serial.past('W', vm.serial.highest('W') + 20);
    }
    process.stdout.write(`${JSON.stringify({ measured: 'in place', gapMs: vm.serial.longestGapMs() })}\n`);
    expect(vm.events.map((event) => event.type)).not.toContain('stopped');
    await vm.machine.kill();
    await expectDiskSound(vm.image, vm.serial);
    expect((await stat(third)).blocks * 512).toBeLessThan(DISK_BYTES / 2);
  });

  it('is held with both files equal until somebody decides, even when QEMU dies', async () => {
    const vm = await rig.boot('vm');
    const second = join(rig.directory, 'second.img');
    await emptyFile(second, DISK_BYTES);
    const hold = async () => {
      await vm.machine.startMirror(DISK, { kind: 'file', backing: rawFile(second) });
      await mirrorReady(vm.machine);
      await vm.machine.preparePivot(DISK);
      await vm.machine.preparePivot(DISK);
      expect(await vm.machine.mirrors()).toMatchObject([{ disk: DISK, ready: true, held: true }]);
      execFileSync('cmp', [vm.image, second]);
    };
    await hold();
    await vm.machine.cancelMirror(DISK);
    expect(await vm.machine.backings()).toEqual([rawFile(vm.image)]);
    await vm.serial.past('W', vm.serial.highest('W') + 20);
    await hold();
    process.kill(vm.machine.pid, 'SIGKILL');
    await vm.machine.exited();
    await expectDiskSound(vm.image, vm.serial);
    await expectDiskSound(second, vm.serial);
  });

  it('goes to qcow2', async () => {
    const vm = await rig.boot('vm');
    const image = join(rig.directory, 'second.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', image, String(DISK_BYTES)]);
    const backing = { ...rawFile(image), format: 'qcow2' } as const;
    await vm.machine.startMirror(DISK, { kind: 'file', backing });
    await mirrorReady(vm.machine);
    await vm.machine.preparePivot(DISK);
    await vm.machine.commitPivot(DISK);
    expect(await vm.machine.backings()).toEqual([backing]);
    await vm.serial.past('W', vm.serial.highest('W') + 20);
    await vm.machine.kill();
    const raw = join(rig.directory, 'second.raw');
    execFileSync('qemu-img', ['convert', '-O', 'raw', image, raw]);
    await expectDiskSound(raw, vm.serial);
  });

  it('stays where it was when the new file is unusable', async () => {
    const vm = await rig.boot('vm');
    const small = join(rig.directory, 'small.img');
    await emptyFile(small, DISK_BYTES / 2);
    await expect(vm.machine.startMirror(DISK, { kind: 'file', backing: rawFile(small) })).rejects.toMatchObject({
      code: 'HYPERVISOR_BACKING_UNUSABLE',
    });
    await expect(vm.machine.startMirror('other', { kind: 'file', backing: rawFile(small) })).rejects.toMatchObject({
      code: 'HYPERVISOR_UNKNOWN_DISK',
    });
    expect(await vm.machine.backings()).toEqual([rawFile(vm.image)]);
    await vm.serial.past('W', vm.serial.highest('W') + 20);
    await vm.machine.kill();
    await expectDiskSound(vm.image, vm.serial);
  });

  it('tells a new process of ours which disk is in use, before and after the pivot', async () => {
    const vm = await rig.boot('vm');
    const second = join(rig.directory, 'second.img');
    await emptyFile(second, DISK_BYTES);
    await vm.machine.startMirror(DISK, { kind: 'file', backing: rawFile(second) });
    await mirrorReady(vm.machine);
    vm.machine.disconnect();
    const adopted = (await rig.hypervisor.adopt(vm.directory))!;
    rig.track(adopted);
    expect(await adopted.backings()).toEqual([rawFile(vm.image)]);
    expect(await adopted.mirrors()).toMatchObject([{ disk: DISK, ready: true }]);
    await adopted.preparePivot(DISK);
    await adopted.commitPivot(DISK);
    expect(await adopted.backings()).toEqual([rawFile(second)]);
    await adopted.kill();
    await expectDiskSound(second, vm.serial);
  });
});
