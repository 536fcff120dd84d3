import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import {
  createQemuHypervisor,
  type Hypervisor,
  type Machine,
  type MachineEvent,
  type MachineSpec,
} from '../src/index.ts';
import {
  BOOT_SECTOR_DISK,
  bootSectorSpec,
  buildBootSectorDisk,
  checkBootSectorDisk,
  rawFile,
  watchSerial,
  type SerialWatch,
} from '../src/testing/index.ts';

export const DISK = BOOT_SECTOR_DISK;
export const DISK_BYTES = 32 * 2 ** 20;

export interface RunningMachine {
  readonly machine: Machine;
  readonly serial: SerialWatch;
  readonly directory: string;
  readonly image: string;
  readonly events: MachineEvent[];
}

/** A scratch directory with machines in it; disposing ends every machine, also those that the test forgot. */
export interface Rig extends AsyncDisposable {
  readonly hypervisor: Hypervisor;
  readonly directory: string;
  readonly spec: MachineSpec;
  boot(name: string, options?: { spec?: MachineSpec; backingOf?: (disk: string) => string }): Promise<RunningMachine>;
  /** A machine that waits for a migration, with an empty disk of its own. */
  receive(
    name: string,
    options?: { spec?: MachineSpec; imageBytes?: number; backingOf?: (disk: string) => string },
  ): Promise<RunningMachine>;
  /** Watches a machine that somebody else adopted. */
  track(machine: Machine): void;
}

export async function createRig(spec: MachineSpec = bootSectorSpec({ sizeBytes: DISK_BYTES })): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), 'hypervisor-'));
  const hypervisor = await createQemuHypervisor({ log: silentLogger, clock: systemClock });
  const machines: Machine[] = [];
  const watches: SerialWatch[] = [];

  async function launch(
    name: string,
    mode: 'boot' | 'incoming',
    wanted: MachineSpec,
    image: string,
    backingOf: (disk: string) => string = () => image,
  ): Promise<RunningMachine> {
    const home = join(directory, name);
    await mkdir(home, { mode: 0o700, recursive: true });
    const backings = wanted.disks.map(({ name: disk, readOnly }) => ({ ...rawFile(backingOf(disk), disk), readOnly }));
    const machine = await hypervisor.launch({ spec: wanted, backings, acceleration: 'tcg', directory: home, mode });
    machines.push(machine);
    const serial = watchSerial(home);
    watches.push(serial);
    const events: MachineEvent[] = [];
    machine.onEvent((event) => events.push(event));
    return { machine, serial, directory: home, image, events };
  }

  return {
    hypervisor,
    directory,
    spec,
    async boot(name, options = {}) {
      const image = join(directory, `${name}.img`);
      await buildBootSectorDisk(image, DISK_BYTES, { ballastBytes: DISK_BYTES / 4 });
      const running = await launch(name, 'boot', options.spec ?? spec, image, options.backingOf);
      await running.serial.past('W', 0);
      return running;
    },
    async receive(name, options = {}) {
      const image = join(directory, `${name}.img`);
      if (!options.backingOf) await emptyFile(image, options.imageBytes ?? DISK_BYTES);
      return launch(name, 'incoming', options.spec ?? spec, image, options.backingOf);
    },
    track: (machine) => machines.push(machine),
    async [Symbol.asyncDispose]() {
      for (const watch of watches) watch[Symbol.dispose]();
      await Promise.all(machines.map((machine) => machine.kill()));
      for (const machine of machines) machine.disconnect();
      await rm(directory, { recursive: true });
    },
  };
}

export async function emptyFile(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'w');
  await file.truncate(bytes);
}

/** Waits until the mirror of a disk is in sync. */
export async function mirrorReady(machine: Machine, disk: string = DISK): Promise<void> {
  await waitFor(
    async () => {
      const mirror = (await machine.mirrors()).find((item) => item.disk === disk);
      if (mirror?.error !== undefined) throw new Error(mirror.error);
      return mirror?.ready;
    },
    { what: `the mirror of ${disk}`, timeoutMs: 20_000, intervalMs: 5 },
  );
}

export async function memoryStatus(machine: Machine, status: string): Promise<void> {
  await waitFor(async () => (await machine.memory()).status === status, {
    what: `memory ${status}`,
    timeoutMs: 10_000,
    intervalMs: 2,
  });
}

/** Ends the guest and proves that its disk holds every write that any of these consoles acknowledged. */
export async function expectNothingLost(last: RunningMachine, ...earlier: SerialWatch[]): Promise<void> {
  await last.machine.kill();
  await expectDiskSound(last.image, last.serial, ...earlier);
}

export async function expectDiskSound(image: string, ...consoles: SerialWatch[]): Promise<void> {
  const acknowledged = Math.max(...consoles.map((watch) => watch.highest('W')));
  expect(acknowledged).toBeGreaterThan(0);
  const check = await checkBootSectorDisk(image, acknowledged);
  expect(check).toMatchObject({ missing: [], corrupt: [] });
  // One write may have reached the disk without its acknowledgement.
  expect(check.highest - acknowledged).toBeLessThanOrEqual(1);
  for (const watch of consoles) expect(watch.highest('E')).toBe(0);
}
