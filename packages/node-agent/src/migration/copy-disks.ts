import type { MirrorProgress } from '@godwit/hypervisor';
import type { ConvergencePolicy } from '@godwit/migration';
import { failure, type CopyContext } from './copy-context.ts';
import { watchDisks } from './watch-disks.ts';

/** Mirrors all disks at once; resolves when all are in sync, and stay so. */
export async function copyDisksInSync(context: CopyContext, socketPath: string): Promise<void> {
  const { machine, copyDisks, policy, check, clock } = context;
  for (const disk of copyDisks) {
    check();
    const target = { kind: 'nbd' as const, socketPath, export: disk };
    await machine.startMirror(disk, target, limit(policy));
  }
  const watch = watchDisks(policy, clock, 'background');
  for (;;) {
    check();
    const mirrors = await soundMirrors(context);
    context.report({ stage: 'CopyingDisks', volumes: mirrors.map(volumeReading) });
    if (mirrors.length === copyDisks.length && mirrors.every((mirror) => mirror.ready)) return;
    if (watch.look(mirrors) === 'synchronise') await synchronise(context, socketPath, mirrors);
    await context.next();
  }
}

/** Copies what is not in sync once more, with every write of the guest going to both sides: the rest only shrinks then. */
async function synchronise(
  context: CopyContext,
  socketPath: string,
  mirrors: readonly MirrorProgress[],
): Promise<void> {
  const { machine, policy, log, check } = context;
  for (const { disk, ready } of mirrors) {
    if (ready) continue;
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
