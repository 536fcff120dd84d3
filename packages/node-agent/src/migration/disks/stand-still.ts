import type { MirrorProgress } from '@godwit/hypervisor';
import type { ConvergencePolicy } from '@godwit/migration';
import { failure } from '../copy-context.ts';

/** Under a limit QEMU copies a piece of this size, and rests for as long as that may take. */
const PIECE_BYTES = 10 * 2 ** 20;

/** A network drops and repeats; what has not moved for longer than this stands still, unless its bandwidth explains it. */
const STILL_MS = 2000;

/**
 * Tells whether a copy stands still, and gives it up when it does for longer than policy allows: throws. What the guest writes is
 * then not what hinders it, and none of what helps against that would: to copy anew begins by waiting for what is under way.
 */
export function watchStandStill(policy: Pick<ConvergencePolicy, 'progressTimeoutMs' | 'bandwidthBytesPerSecond'>) {
  let moved: { readonly atMs: number; readonly bytesDone: number } | undefined;
  return (mirrors: readonly MirrorProgress[], atMs: number): boolean => {
    const { progressTimeoutMs, bandwidthBytesPerSecond } = policy;
    const waiting = mirrors.filter((mirror) => !mirror.ready || mirror.bytesDone < mirror.bytesTotal);
    const bytesDone = mirrors.reduce((sum, mirror) => sum + mirror.bytesDone, 0);
    if (moved?.bytesDone !== bytesDone || waiting.length === 0) moved = { atMs, bytesDone };
    const pieces = mirrors.length * PIECE_BYTES * 1000;
    const restMs = bandwidthBytesPerSecond === undefined ? 0 : pieces / bandwidthBytesPerSecond;
    const stillMs = atMs - moved.atMs;
    if (progressTimeoutMs === 0 || stillMs <= Math.max(progressTimeoutMs, 2 * restMs))
      return stillMs > Math.max(STILL_MS, 2 * restMs);
    const disks = waiting.map((mirror) => mirror.disk).join(', ');
    const seconds = (ms: number): number => Math.floor(ms / 1000);
    throw failure(
      `Not a byte of disk ${disks} was copied to its target for ${seconds(stillMs)} s, progressTimeout is ${seconds(progressTimeoutMs)} s. Check the storage of the target and the network to it`,
    );
  };
}
