import { createServer } from 'node:net';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DiskSpec, Machine, MachineSpec } from '../src/index.ts';
import { bootSectorSpec, rawFile } from '../src/testing/index.ts';
import { createRig, DISK, DISK_BYTES, expectNothingLost, memoryStatus, type Rig } from './rig.ts';

const PARAMETERS = { downtimeLimitMs: 30, autoConverge: false };

describe('moving a machine whose disks both sides reach', () => {
  let rig: Rig;
  let forwarded: number;
  let spec: MachineSpec;
  beforeEach(async () => {
    rig = await createRig();
    forwarded = await freePort();
    const base = bootSectorSpec({ sizeBytes: DISK_BYTES, machineType: 'pc-q35-7.2' });
    const extra = (name: string, rest: Partial<DiskSpec>): DiskSpec => ({
      ...base.disks[0]!,
      name,
      sizeBytes: 2 ** 20,
      ...rest,
    });
    const forwards = [{ protocol: 'tcp', hostPort: forwarded, guestPort: 22 } as const];
    spec = {
      ...base,
      rng: true,
      disks: [
        { ...base.disks[0]!, bootOrder: 1 },
        extra('data', { bus: 'scsi', bootOrder: 2 }),
        extra('cloudinit', { bus: 'sata', device: 'cdrom', readOnly: true, bootOrder: 3 }),
      ],
      nics: [{ name: 'default', mac: '02:00:00:00:00:01', model: 'virtio-net-pci', backend: 'user', forwards }],
    };
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  it('copies nothing, lets only one side write, and takes the host ports along', async () => {
    for (const name of ['data', 'cloudinit']) await writeFile(join(rig.directory, name), Buffer.alloc(2 ** 20));
    const paths = (disk: string): string => join(rig.directory, disk === DISK ? 'source.img' : disk);
    const source = await rig.boot('source', { spec, backingOf: paths });
    expect(await reachable(forwarded)).toBe(true);
    const directory = join(rig.directory, 'target');
    await mkdir(directory, { mode: 0o700 });
    const backings = spec.disks.map((disk) => ({ ...rawFile(paths(disk.name), disk.name), readOnly: disk.readOnly }));
    const launch = { spec: { ...spec, nics: [] }, backings, acceleration: 'tcg', directory } as const;
    // A second copy that boots would write to the disk of the first: QEMU's own lock stands in the way.
    await expect(rig.hypervisor.launch({ ...launch, mode: 'boot' })).rejects.toMatchObject({
      code: 'HYPERVISOR_LAUNCH_FAILED',
      message: expect.stringContaining('lock'),
    });
    const target = await rig.receive('target', { spec, backingOf: paths });
    const memory = join(target.directory, 'mem.sock');
    await target.machine.acceptMemory(memory);
    await source.machine.startMemory(memory, PARAMETERS);
    await memoryStatus(source.machine, 'pre-switchover');
    await source.machine.continueSwitchover();
    await memoryStatus(source.machine, 'completed');
    await memoryStatus(target.machine, 'completed');
    await target.machine.resume();
    await target.serial.past('W', source.serial.highest('W') + 20);
    await expect(resumeBoth(source.machine)).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
    expect(await source.machine.state()).not.toBe('running');
    await source.machine.kill();
    await waitFor(async () => await reachable(forwarded), { what: 'the forwarded port', timeoutMs: 5_000 });
    // Forwarding again what is forwarded already would be refused, and retried for long.
    await target.machine.pause();
    await target.machine.resume();
    expect(await reachable(forwarded)).toBe(true);
    await expectNothingLost({ ...target, image: source.image }, source.serial);
  });
});

/** The mistake that no agent may make: the guest runs on the target already. */
async function resumeBoth(source: Machine): Promise<void> {
  await source.resume();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // The cast is safe: it listens on TCP.
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
