import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MigrationConfiguration } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger, type Logger } from '@godwit/core/logger';
import {
  createQemuHypervisor,
  type DiskBacking,
  type Hypervisor,
  type Machine,
  type MachineSpec,
} from '@godwit/hypervisor';
import {
  BOOT_SECTOR_DISK,
  bootSectorSpec,
  buildBootSectorDisk,
  checkBootSectorDisk,
  rawFile,
  watchSerial,
  type BootSectorOptions,
  type SerialWatch,
} from '@godwit/hypervisor/testing';
import { createTestAuthority, type TestAuthority } from '@godwit/migration-link/testing';
import { expect } from 'vitest';
import {
  startSource,
  startTarget,
  type LinkCredentials,
  type MigrationIdentity,
  type SourceMigration,
  type SourceOptions,
  type TargetMigration,
  type TargetOptions,
} from '../../src/migration/index.ts';

export const DISK = BOOT_SECTOR_DISK;
export const DISK_BYTES = 64 * 2 ** 20;

export interface Move {
  readonly source: SourceMigration;
  readonly target: TargetMigration;
  readonly targetSerial: SerialWatch;
}

/** A running boot sector guest, two journals, two run directories: everything two agents need for one move. */
export interface Rig extends AsyncDisposable {
  readonly directory: string;
  readonly hypervisor: Hypervisor;
  readonly authority: TestAuthority;
  readonly identity: MigrationIdentity;
  readonly spec: MachineSpec;
  readonly machine: Machine;
  readonly serial: SerialWatch;
  readonly sourceImage: string;
  readonly targetImage: string;
  readonly sourceCredentials: LinkCredentials;
  readonly targetCredentials: LinkCredentials;
  readonly journals: { readonly source: string; readonly target: string };
  readonly targetDirectory: string;
  targetOptions(changes?: Partial<TargetOptions>): TargetOptions;
  sourceOptions(target: SourceOptions['target'], changes?: Partial<SourceOptions>): SourceOptions;
  start(changes?: { source?: Partial<SourceOptions>; target?: Partial<TargetOptions> }): Promise<Move>;
  /** Machines that must be gone at the end. */
  track(machine: Machine | undefined): void;
  onEnd(undo: () => unknown): void;
}

let counter = 0;

export async function createRig(
  options: {
    readonly configuration?: MigrationConfiguration;
    readonly targetBytes?: number;
    readonly ballastBytes?: number;
    readonly guest?: BootSectorOptions;
    /** Default `DISK_BYTES`. */
    readonly diskBytes?: number;
    readonly log?: Logger;
  } = {},
): Promise<Rig> {
  const { configuration = {}, log = silentLogger, diskBytes = DISK_BYTES } = options;
  const directory = await mkdtemp(join(tmpdir(), 'node-agent-'));
  const undo: (() => unknown)[] = [];
  const hypervisor = await createQemuHypervisor({ log, clock: systemClock });
  const authority = await createTestAuthority();
  const identity = { id: `move-${process.pid}-${++counter}`, namespace: 'default', name: 'tiny' };
  const spec = bootSectorSpec({ sizeBytes: diskBytes });
  const sourceImage = join(directory, 'source.img');
  const targetImage = join(directory, 'target.img');
  await buildBootSectorDisk(sourceImage, diskBytes, {
    ballastBytes: options.ballastBytes ?? diskBytes / 4,
    ...options.guest,
  });
  await truncateTo(targetImage, options.targetBytes ?? diskBytes);
  const home = await makeDirectory(join(directory, 's'));
  const targetDirectory = await makeDirectory(join(directory, 't'));
  const machine = await hypervisor.launch({
    spec,
    backings: [rawFile(sourceImage)],
    acceleration: 'tcg',
    directory: home,
    mode: 'boot',
  });
  undo.push(() => machine.kill());
  const serial = watchSerial(home);
  undo.push(() => serial[Symbol.dispose]());
  await serial.past('W', 5);
  const sourceCredentials = await authority.issue(identity, 'source');
  const targetCredentials = await authority.issue(identity, 'target');
  const journals = { source: join(directory, 'js'), target: join(directory, 'jt') };

  const rig: Rig = {
    directory,
    hypervisor,
    authority,
    identity,
    spec,
    machine,
    serial,
    sourceImage,
    targetImage,
    sourceCredentials,
    targetCredentials,
    journals,
    targetDirectory,
    targetOptions: (changes) => ({
      identity,
      configuration,
      journalDir: journals.target,
      log,
      hypervisor,
      acceleration: 'tcg',
      credentials: targetCredentials,
      directory: targetDirectory,
      prepare: async () => ({ backings: [rawFile(targetImage)] }),
      ...changes,
    }),
    sourceOptions: (target, changes) => ({
      identity,
      configuration,
      journalDir: journals.source,
      log,
      machine,
      spec,
      target,
      copyDisks: [DISK],
      credentials: sourceCredentials,
      ...changes,
    }),
    async start(changes = {}) {
      const target = startTarget(rig.targetOptions(changes.target));
      undo.push(
        () => target.close(),
        () => target.machine()?.kill(),
      );
      const ports = await target.listening;
      const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports }, changes.source));
      undo.push(() => source.close());
      const targetSerial = watchSerial(targetDirectory);
      undo.push(() => targetSerial[Symbol.dispose]());
      return { source, target, targetSerial };
    },
    track: (tracked) => undo.push(() => tracked?.kill()),
    onEnd: (what) => undo.push(what),
    async [Symbol.asyncDispose]() {
      for (const one of undo.toReversed()) await one();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return rig;
}

/** The guest goes on writing here, and everything it was told is written is on this image. */
export async function expectAlive(
  machine: Machine,
  serial: SerialWatch,
  image: string,
  acknowledged: number,
): Promise<void> {
  expect(await machine.state()).toBe('running');
  await serial.past('W', Math.max(acknowledged, serial.highest('W')) + 5);
  await machine.pause();
  const written = serial.highest('W');
  expect(serial.highest('E')).toBe(0);
  const check = await checkBootSectorDisk(image, Math.max(written, acknowledged));
  expect(check).toMatchObject({ missing: [], corrupt: [] });
  await machine.resume();
}

export function backingsOf(path: string): readonly DiskBacking[] {
  return [rawFile(path)];
}

export async function truncateTo(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'w');
  await file.truncate(bytes);
}

async function makeDirectory(path: string): Promise<string> {
  await mkdir(path, { mode: 0o700 });
  return path;
}
