import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { Machine, MirrorProgress, MirrorTarget } from '@godwit/hypervisor';
import {
  dirtyRate,
  keepReading,
  type mayStartMemory,
  type BacklogHistory,
  type ConvergencePolicy,
  type DiskSituation,
  type VolumeReading,
} from '@godwit/migration';
import { failure } from '../copy-context.ts';
import type { MirrorSpeeds } from './mirror-speeds.ts';
import { watchStandStill } from './stand-still.ts';
import { watchDisks } from './watch-disks.ts';
import type { WriteLimits } from './write-limits.ts';

export interface MirroredDisk {
  readonly name: string;
  readonly target: MirrorTarget;
}

export interface MirrorOptions {
  readonly machine: Machine;
  readonly policy: ConvergencePolicy;
  readonly speeds: MirrorSpeeds;
  readonly writes: WriteLimits;
  readonly begunAs: DiskSituation['mode'];
  readonly clock: Clock;
  readonly log: Logger;
  /** Throws when the copy is over; called before every step. */
  readonly check: () => void;
  /** Resolves when it is time for another look. */
  readonly next: () => Promise<void>;
  /** With all disks in sync: whether that is good enough for what comes next (`mayStartMemory`). */
  readonly mayFinish: (history: BacklogHistory) => ReturnType<typeof mayStartMemory>;
  readonly onLook: (mirrors: readonly MirrorProgress[]) => void | Promise<void>;
}

/**
 * Mirrors all disks at once; resolves when all are in sync, stay so, and may be finished as they are.
 * Gives the rate at which the guest writes to them, where that is known. Rejects with the first failure, or when policy gives up; the mirrors are left as they are.
 */
export async function mirrorDisks(disks: readonly MirroredDisk[], options: MirrorOptions): Promise<number | undefined> {
  const { machine, policy, speeds, writes, begunAs, check, clock } = options;
  if (disks.length === 0) return undefined;
  const names = disks.map(({ name }) => name);
  const synchronous = begunAs === 'synchronous';
  const bandwidthBytesPerSecond = speeds.begin(names);
  for (const { name, target } of disks) {
    check();
    await machine.startMirror(name, target, { synchronous, bandwidthBytesPerSecond });
  }
  const synchronising = (await machine.changesMirrors()) ? 'free' : 'another sweep';
  const watch = watchDisks(policy, clock, { begunAs, writes, synchronising });
  const standStill = watchStandStill(policy);
  let history: BacklogHistory = [];
  let inSync: readonly MirrorProgress[] | undefined;
  for (;;) {
    check();
    const mirrors = await soundMirrors(machine, names);
    await options.onLook(mirrors);
    const standsStill = standStill(mirrors, clock.now());
    const ready = mirrors.every((mirror) => mirror.ready);
    if (ready) inSync ??= mirrors;
    // Before QEMU has looked at all of a disk, it does not know how much there is to copy.
    if (mirrors.every((mirror) => mirror.ready || mirror.bytesTotal > 0))
      history = keepReading(history, { ...totals(mirrors), atMs: clock.now(), ready });
    const step = ready
      ? watch.inSync(mirrors, standsStill ? 'look' : options.mayFinish(history))
      : watch.look(mirrors, standsStill);
    if (step.do === 'start') return dirtyRate(history);
    if (step.do === 'synchronise' || step.do === 'limit-writes') {
      const busy = mirrors.filter(isBusy(inSync)).map(({ disk }) => disk);
      if (step.do === 'synchronise') await synchronise(disks, busy, options);
      if (step.do === 'limit-writes') await limitWrites(busy.length > 0 ? busy : names, step.bytesPerSecond, options);
      // What was seen before says nothing any more; how fast disks are copied is known from before they were in sync.
      history = step.do === 'synchronise' ? [] : history.filter((reading) => !reading.ready);
      inSync = undefined;
    }
    await speeds.share('disks', mirrors);
    await options.next();
  }
}

/** Whether a disk is what keeps a copy from its end: not in sync, or written to since all were. */
function isBusy(inSync: readonly MirrorProgress[] | undefined) {
  return ({ disk, ready, bytesTotal }: MirrorProgress): boolean =>
    !ready || bytesTotal > (inSync?.find((mirror) => mirror.disk === disk)?.bytesTotal ?? bytesTotal);
}

/** Has every write of the guest to these disks go to both sides: the rest only shrinks then. */
async function synchronise(
  disks: readonly MirroredDisk[],
  busy: readonly string[],
  { machine, speeds, log, check }: MirrorOptions,
): Promise<void> {
  const bandwidthBytesPerSecond = speeds.begin(busy);
  for (const { name, target } of disks.filter((disk) => busy.includes(disk.name))) {
    check();
    log.info({ disk: name }, 'the disk does not converge, taking the writes of the guest along');
    const how = await machine.synchroniseMirror(name, target, { bandwidthBytesPerSecond });
    if (how === 'changed' && bandwidthBytesPerSecond > 0) await machine.setMirrorSpeed(name, bandwidthBytesPerSecond);
  }
}

async function limitWrites(
  busy: readonly string[],
  bytesPerSecond: number,
  { writes, log, check }: MirrorOptions,
): Promise<void> {
  check();
  log.info({ disks: busy, bytesPerSecond }, 'disks do not converge, limiting what the guest writes');
  await writes.lower(busy, bytesPerSecond);
}

/** The mirrors of these disks; throws unless all are at work. */
export async function soundMirrors(machine: Machine, disks: readonly string[]): Promise<readonly MirrorProgress[]> {
  const mirrors = (await machine.mirrors()).filter((mirror) => disks.includes(mirror.disk));
  for (const mirror of mirrors) {
    if (mirror.nospace) throw failure(`The target of disk ${mirror.disk} is full`);
    if (mirror.error !== undefined) throw failure(`Copying disk ${mirror.disk} failed: ${mirror.error}`);
  }
  if (mirrors.length < disks.length) throw failure('A disk copy vanished');
  return mirrors;
}

export function volumeReading(writes: WriteLimits): (mirror: MirrorProgress) => VolumeReading {
  return ({ disk, bytesTotal, bytesDone }) => {
    const limit = writes.of(disk);
    return { name: disk, bytesTotal, bytesDone, ...(limit !== undefined && { writeLimitBytesPerSecond: limit }) };
  };
}

function totals(mirrors: readonly MirrorProgress[]): { bytesTotal: number; bytesDone: number } {
  return {
    bytesTotal: sum(mirrors.map((mirror) => mirror.bytesTotal)),
    bytesDone: sum(mirrors.map((mirror) => mirror.bytesDone)),
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
