import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { connectQmp } from '@godwit/qmp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildBootSectorDisk, rawFile } from '../src/testing/index.ts';
import { createRig, DISK, DISK_BYTES, emptyFile, expectDiskSound, mirrorReady } from './rig.ts';
import type { Rig, RunningMachine } from './rig.ts';

const BIGGER = DISK_BYTES + 2 ** 20;

/** Size of the disk that the guest's device has, by QEMU's other monitor. */
async function shownBytes({ directory }: RunningMachine): Promise<number | undefined> {
  const observer = await connectQmp({ path: join(directory, 'observe.sock') });
  try {
    const blocks = await observer.execute('query-block');
    const nodes = await observer.execute('query-named-block-nodes', { flat: true });
    const used = blocks.find((block) => block.qdev?.includes(DISK))?.inserted?.['node-name'];
    return nodes.find((node) => node['node-name'] === used)?.image['virtual-size'];
  } finally {
    observer.close();
  }
}

describe('a disk that grows under its guest', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await createRig();
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  it('shows the rest of an image that was bigger all along, and can be copied afterwards, by whoever adopts it', async () => {
    const image = join(rig.directory, 'big.img');
    await buildBootSectorDisk(image, DISK_BYTES, { ballastBytes: DISK_BYTES / 4 });
    await truncate(image, BIGGER);
    const vm = await rig.boot('vm', { backingOf: () => image });
    expect(await shownBytes(vm)).toBe(DISK_BYTES);
    await vm.machine.resizeDisk(DISK, BIGGER);
    await vm.machine.resizeDisk(DISK, BIGGER);
    expect(await shownBytes(vm)).toBe(BIGGER);
    await vm.serial.past('W', vm.serial.highest('W') + 20);

    vm.machine.disconnect();
    const adopted = await rig.hypervisor.adopt(vm.directory);
    if (!adopted) throw new Error('the machine is gone');
    rig.track(adopted);
    const [small, same] = [join(rig.directory, 'small.img'), join(rig.directory, 'same.img')];
    await emptyFile(small, DISK_BYTES);
    await emptyFile(same, BIGGER);
    const refused = adopted.startMirror(DISK, { kind: 'file', backing: rawFile(small) });
    await expect(refused).rejects.toMatchObject({ code: 'HYPERVISOR_BACKING_UNUSABLE' });
    await adopted.startMirror(DISK, { kind: 'file', backing: rawFile(same) });
    await mirrorReady(adopted);
    await expect(adopted.resizeDisk(DISK, BIGGER)).rejects.toMatchObject({ code: 'HYPERVISOR_WRONG_STATE' });
    await adopted.cancelMirror(DISK);
    await vm.serial.past('W', vm.serial.highest('W') + 20);
    await adopted.kill();
    await expectDiskSound(image, vm.serial);
  });

  it('shows what its image has grown by, never less, never what is not there', async () => {
    const vm = await rig.boot('vm');
    const wrong = { code: 'HYPERVISOR_WRONG_STATE' };
    await expect(vm.machine.resizeDisk(DISK, BIGGER)).rejects.toMatchObject(wrong);
    await expect(vm.machine.resizeDisk(DISK, DISK_BYTES / 2)).rejects.toMatchObject(wrong);
    await truncate(vm.image, BIGGER);
    await vm.machine.resizeDisk(DISK, BIGGER);
    expect(await shownBytes(vm)).toBe(BIGGER);
    await vm.serial.past('W', vm.serial.highest('W') + 20);
    await vm.machine.kill();
    await expectDiskSound(vm.image, vm.serial);
  });
});
