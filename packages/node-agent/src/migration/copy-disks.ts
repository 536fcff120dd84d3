import type { MirrorProgress } from '@godwit/hypervisor';
import { keepReading, mayStartMemory, type BacklogHistory, type ConvergencePolicy } from '@godwit/migration';
import { failure, type CopyContext } from './copy-context.ts';
import { watchDisks } from './watch-disks.ts';

/**
 * Mirrors all disks at once; resolves when all are in sync, stay so, and will be finished soon after the guest is stopped,
 * however it writes.
 */
export async function copyDisksInSync(context: CopyContext, socketPath: string): Promise<void> {
  const { machine, copyDisks, policy, check, clock } = context;
  if (copyDisks.length === 0) return;
  for (const disk of copyDisks) {
    check();
    const target = { kind: 'nbd' as const, socketPath, export: disk };
    await machine.startMirror(disk, target, limit(policy));
  }
  const watch = watchDisks(policy, clock, 'background');
  let history: BacklogHistory = [];
  let inSync: readonly MirrorProgress[] | undefined;
  for (;;) {
    check();
    const mirrors = await soundMirrors(context);
    context.report({ stage: 'CopyingDisks', volumes: mirrors.map(volumeReading) });
    const ready = mirrors.every((mirror) => mirror.ready);
    if (ready) inSync ??= mirrors;
    // Before QEMU has looked at all of a disk, it does not know how much there is to copy.
    if (mirrors.every((mirror) => mirror.ready || mirror.bytesTotal > 0))
      history = keepReading(history, { ...totals(mirrors), atMs: clock.now(), ready });
    const measure = ready ? watch.inSync(mayStartMemory(policy, history)) : watch.look(mirrors);
    if (measure === 'start') return;
    if (measure === 'synchronise') {
      await synchronise(context, socketPath, mirrors.filter(isBusy(inSync)));
      history = [];
      inSync = undefined;
    }
    await context.next();
  }
}

/** Whether a disk is what keeps a copy from its end: not in sync, or written to since all were. */
function isBusy(inSync: readonly MirrorProgress[] | undefined) {
  return ({ disk, ready, bytesTotal }: MirrorProgress): boolean =>
    !ready || bytesTotal > (inSync?.find((mirror) => mirror.disk === disk)?.bytesTotal ?? bytesTotal);
}

function totals(mirrors: readonly MirrorProgress[]): { bytesTotal: number; bytesDone: number } {
  return {
    bytesTotal: sum(mirrors.map((mirror) => mirror.bytesTotal)),
    bytesDone: sum(mirrors.map((mirror) => mirror.bytesDone)),
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Copies these disks once more, with every write of the guest going to both sides: the rest only shrinks then. */
async function synchronise(
  context: CopyContext,
  socketPath: string,
  mirrors: readonly MirrorProgress[],
): Promise<void> {
  const { machine, policy, log, check } = context;
  for (const { disk } of mirrors) {
    check();
    log.info({ disk }, 'the disk does not converge, copying it anew with the writes of the guest');
    const target = { kind: 'nbd' as const, socketPath, export: disk };
    await machine.restartMirror(disk, target, { synchronous: true, ...limit(policy) });
  }
}

const limit = ({ bandwidthBytesPerSecond }: ConvergencePolicy) =>
  bandwidthBytesPerSecond === undefined ? {} : { bandwidthBytesPerSecond };

/** The mirrors of all disks of this copy; throws unless all are at work. */
export async function soundMirrors({
  machine,
  copyDisks,
}: Pick<CopyContext, 'machine' | 'copyDisks'>): Promise<readonly MirrorProgress[]> {
  if (copyDisks.length === 0) return [];
  const mirrors = (await machine.mirrors()).filter((mirror) => copyDisks.includes(mirror.disk));
  for (const mirror of mirrors) {
    if (mirror.nospace) throw failure(`The target of disk ${mirror.disk} is full`);
    if (mirror.error !== undefined) throw failure(`Copying disk ${mirror.disk} failed: ${mirror.error}`);
  }
  if (mirrors.length < copyDisks.length) throw failure('A disk copy vanished');
  return mirrors;
}

export function volumeReading(mirror: MirrorProgress): { name: string; bytesTotal: number; bytesDone: number } {
  return { name: mirror.disk, bytesTotal: mirror.bytesTotal, bytesDone: mirror.bytesDone };
}
