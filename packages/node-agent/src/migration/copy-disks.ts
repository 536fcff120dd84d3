import type { CopyContext } from './copy-context.ts';
import { mirrorDisks, soundMirrors, volumeReading } from './mirror-disks.ts';

/** Mirrors the disks of a move to another node; see `mirrorDisks`. */
export async function copyDisksInSync(context: CopyContext, socketPath: string): Promise<void> {
  const disks = context.copyDisks.map((name) => ({
    name,
    target: { kind: 'nbd' as const, socketPath, export: name },
  }));
  await mirrorDisks(disks, {
    ...context,
    begunAs: 'background',
    onLook: (mirrors) => context.report({ stage: 'CopyingDisks', volumes: mirrors.map(volumeReading) }),
  });
}

/** Throws unless the mirrors of all disks of this copy are at work. */
export async function requireMirrors({ machine, copyDisks }: CopyContext): Promise<void> {
  if (copyDisks.length === 0) return;
  await soundMirrors(machine, copyDisks);
}
