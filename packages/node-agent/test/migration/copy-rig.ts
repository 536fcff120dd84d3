import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MigrationConfiguration } from '@godwit/api';
import { systemClock, type Clock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { createQemuHypervisor, type Machine } from '@godwit/hypervisor';
import {
  BOOT_SECTOR_DISK,
  bootSectorSpec,
  buildBootSectorDisk,
  rawFile,
  watchSerial,
  type SerialWatch,
} from '@godwit/hypervisor/testing';
import { convergencePolicy, type ConvergencePolicy } from '@godwit/migration';
import type { Carrier } from '@godwit/migration-link';
import { startSourceCopy, type SourceCopy } from '../../src/migration/source/source-copy.ts';
import { truncateTo } from './rig.ts';

export const ANEW = 'the disk does not converge, taking the writes of the guest along';
export const LIMITED = 'disks do not converge, limiting what the guest writes';
export const BUSY_DISK_BYTES = 8 * 2 ** 20;
/** Writes all over its disk, faster than a slow link carries it. */
export const BUSY_GUEST = { ballastBytes: 2 ** 20, beatMs: 1, beatsPerWrite: 1, stride: 37 } as const;

export type CopyEnd = { readonly result: 'sent' } | { readonly result: 'failed'; readonly reason: string };

/** The copying of one guest to one QEMU without agents, carriers and handover between them. */
export interface CopyRig extends AsyncDisposable {
  readonly machine: Machine;
  readonly target: Machine;
  readonly serial: SerialWatch;
  readonly sourceImage: string;
  readonly targetImage: string;
  /** Everything that the copy told, in order. */
  readonly told: string[];
  copy(configuration: MigrationConfiguration): SourceCopy;
  /** The first copy is taken for stuck at once, whatever it does: how that comes about does not matter here. */
  copyAnew(configuration: MigrationConfiguration): SourceCopy;
  /** As soon as something is copied nearly all of the time is over, so that another sweep would be too late. */
  copyLate(configuration: MigrationConfiguration): Promise<SourceCopy>;
  /** Resolves with how the copy ended. */
  readonly ended: Promise<CopyEnd>;
}

/** With the guest of `BUSY_GUEST`. */
export async function createCopyRig(): Promise<CopyRig> {
  const directory = await mkdtemp(join(tmpdir(), 'node-agent-copy-'));
  const hypervisor = await createQemuHypervisor({ log: silentLogger, clock: systemClock });
  const spec = bootSectorSpec({ sizeBytes: BUSY_DISK_BYTES });
  const undo: (() => unknown)[] = [];
  const sourceImage = join(directory, 'source.img');
  const targetImage = join(directory, 'target.img');
  await buildBootSectorDisk(sourceImage, BUSY_DISK_BYTES, BUSY_GUEST);
  await truncateTo(targetImage, BUSY_DISK_BYTES);
  const launch = async (name: string, image: string, mode: 'boot' | 'incoming') => {
    const home = join(directory, name);
    await mkdir(home, { mode: 0o700 });
    const backings = [rawFile(image)];
    const machine = await hypervisor.launch({ spec, backings, acceleration: 'tcg', directory: home, mode });
    undo.push(() => machine.kill());
    return machine;
  };
  const machine = await launch('s', sourceImage, 'boot');
  const target = await launch('t', targetImage, 'incoming');
  const serial = watchSerial(machine.directory);
  undo.push(() => serial[Symbol.dispose]());
  await serial.past('W', 5);
  const sockets = { block: join(directory, 'nbd.sock'), memory: join(directory, 'memory.sock') };
  await target.exportDisks(sockets.block, [BOOT_SECTOR_DISK]);
  await target.acceptMemory(sockets.memory);
  const told: string[] = [];
  /** How far the clock of the copy has been put forward. */
  let aheadMs = 0;
  const clock: Clock = { now: () => systemClock.now() + aheadMs, after: (ms, fn) => systemClock.after(ms, fn) };
  const end = Promise.withResolvers<CopyEnd>();

  function start(policy: ConvergencePolicy, onInfo: (message: string) => void): SourceCopy {
    // The cast is safe: a copy uses these members only.
    const carrier = { sockets, onExit: () => undefined, lost: () => undefined } as unknown as Carrier;
    const copy = startSourceCopy({
      machine,
      copyDisks: [BOOT_SECTOR_DISK],
      policy,
      carrier: Promise.resolve(carrier),
      call: async (call) => {
        if (call === 'stopExport') await target.stopExport();
      },
      report({ stage, volumes = [] }) {
        if (told.at(-1) !== stage) told.push(stage);
        if (volumes.some((volume) => volume.writeLimitBytesPerSecond !== undefined)) told.push('limited');
      },
      mark: () => undefined,
      onPaused: () => told.push('paused'),
      onMode: (mode) => told.push(mode),
      onSent: () => end.resolve({ result: 'sent' }),
      onFailed: (reason) => end.resolve({ result: 'failed', reason }),
      clock,
      log: { ...silentLogger, info: (_fields: unknown, message?: string) => onInfo(message ?? '') },
    });
    undo.push(async () => {
      copy.stop();
      await copy.over;
    });
    return copy;
  }

  return {
    machine,
    target,
    serial,
    sourceImage,
    targetImage,
    told,
    ended: end.promise,
    copy: (configuration) => start(convergencePolicy(configuration), (message) => told.push(message)),
    copyAnew(configuration) {
      const policy = { ...convergencePolicy(configuration), progressTimeoutMs: 1 };
      return start(policy, (message) => {
        told.push(message);
        if (message === ANEW) policy.progressTimeoutMs = 0;
      });
    },
    async copyLate(configuration) {
      const seconds = { completionTimeoutPerGiB: 10_000, progressTimeout: 5_000 };
      const copy = start(convergencePolicy({ ...configuration, ...seconds }), (message) => told.push(message));
      const begun = async () => ((await machine.mirrors())[0]?.bytesDone ?? 0) > 0;
      await waitFor(begun, { timeoutMs: 20_000, what: 'the first bytes' });
      aheadMs = 9_000_000;
      return copy;
    },
    async [Symbol.asyncDispose]() {
      for (const one of undo.toReversed()) await one();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Rejects with what differs. */
export async function expectSameImage(one: string, other: string): Promise<void> {
  await promisify(execFile)('cmp', [one, other]);
}
