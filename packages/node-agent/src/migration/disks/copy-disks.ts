import { mayStartMemory } from '@godwit/migration';
import type { CopyContext } from '../copy-context.ts';
import { mirrorDisks, soundMirrors, volumeReading } from './mirror-disks.ts';

/**
 * Mirrors the disks of a move to another node, see `mirrorDisks`: until little will be left of them when the guest is
 * stopped, however it writes.
 */
export async function copyDisksInSync(context: CopyContext, socketPath: string): Promise<number | undefined> {
  const disks = context.copyDisks.map((name) => ({
    name,
    target: { kind: 'nbd' as const, socketPath, export: name },
  }));
  return mirrorDisks(disks, {
    ...context,
    begunAs: 'background',
    mayFinish: (history) => mayStartMemory(context.policy, history),
    onLook: (mirrors) => context.report({ stage: 'CopyingDisks', volumes: mirrors.map(volumeReading(context.writes)) }),
  });
}

/** Gives every mirror its share while memory is sent, and says what is left for memory; undefined: unlimited. */
export async function memoryBandwidth(
  { machine, copyDisks, speeds }: CopyContext,
  dirtyBytesPerSecond: number | undefined,
): Promise<number | undefined> {
  const mirrors = copyDisks.length === 0 ? [] : await soundMirrors(machine, copyDisks);
  return speeds.share('memory', mirrors, dirtyBytesPerSecond);
}

/** Throws unless the mirrors of all disks of this copy are at work. */
export async function requireMirrors({ machine, copyDisks }: CopyContext): Promise<void> {
  if (copyDisks.length === 0) return;
  await soundMirrors(machine, copyDisks);
}
