import type { MirrorProgress } from '@godwit/hypervisor';
import { failure, type CopyContext } from './copy-context.ts';

/** Mirrors all disks at once; resolves when all are in sync, and stay so. */
export async function copyDisksInSync(
  context: CopyContext,
  socketPath: string,
  watch: (bytesTotal: number, bytesDone: number) => void,
): Promise<void> {
  const { machine, copyDisks, policy, check } = context;
  const speed = policy.bandwidthBytesPerSecond;
  for (const disk of copyDisks) {
    check();
    const target = { kind: 'nbd' as const, socketPath, export: disk };
    await machine.startMirror(disk, target, speed === undefined ? {} : { bandwidthBytesPerSecond: speed });
  }
  for (;;) {
    check();
    const mirrors = await soundMirrors(context);
    context.report({ stage: 'CopyingDisks', volumes: mirrors.map(volumeReading) });
    if (mirrors.length === copyDisks.length && mirrors.every((mirror) => mirror.ready)) return;
    watch(sum(mirrors.map((mirror) => mirror.bytesTotal)), sum(mirrors.map((mirror) => mirror.bytesDone)));
    await context.next();
  }
}

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

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
