import { open, rm, stat } from 'node:fs/promises';
import { GodwitError } from '@godwit/core/errors';
import { freeBytes, publishFile } from '../host/files.ts';
import { runProgram } from '../host/programs.ts';
import type { RunOptions } from '../host/programs.ts';
import type { UsableClaim } from '../launcher/claims.ts';
import { buildingPath, lastPercent } from '../population/convert.ts';

export interface CopyOptions {
  readonly source: UsableClaim;
  readonly target: UsableClaim;
  readonly signal: AbortSignal;
  readonly onPercent: (percent: number) => void;
  /** Asked once everything is copied and durable, before the target becomes the copy. Rejects to leave it as it was. */
  readonly confirm: () => Promise<void>;
}

const UNIT = 512;
/** Share of the progress that copying takes; reading back takes the rest. */
const CONVERTING = 0.7;

async function measure(path: string): Promise<{ size: number; allocated: number } | undefined> {
  try {
    const { size, blocks } = await stat(path);
    return { size, allocated: blocks * UNIT };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Copies the image of one claim over the image of another, thin, grown to the target's size, and compares both. The target changes only in the
 * last step, atomically; the source is only read, and QEMU's locks refuse while a guest writes it. A copy that was killed is
 * simply made anew. Rejects with `COPY_REFUSED` for what no second attempt heals, `COPY_NO_SPACE` (numbers in the text) or
 * `COPY_FAILED`.
 */
export async function copyImage({ source, target, signal, onPercent, confirm }: CopyOptions): Promise<void> {
  const have = await measure(source.image);
  if (!have) throw new GodwitError('COPY_REFUSED', 'the source claim holds no disk image');
  if (have.size > target.sizeBytes)
    throw new GodwitError(
      'COPY_REFUSED',
      `the source disk has ${have.size} bytes, the target claim holds ${target.sizeBytes} bytes; name a bigger claim`,
    );
  const building = buildingPath(target);
  await rm(building, { force: true });
  const free = await freeBytes(target.poolPath);
  if (have.allocated > free)
    throw new GodwitError(
      'COPY_NO_SPACE',
      `the ${target.pool} pool has ${free} bytes free, the copy needs ${have.allocated}`,
      { details: { free, needed: have.allocated }, retry: 'backoff' },
    );
  const shareOf = (from: number, to: number) => (text: string) => {
    const percent = lastPercent(text);
    if (percent !== undefined) onPercent(100 * from + percent * (to - from));
  };
  try {
    await runProgram('qemu-img', ['convert', '-p', '-f', 'raw', '-O', 'raw', source.image, building], {
      signal,
      onOutput: shareOf(0, CONVERTING),
    });
    await grow(building, target.sizeBytes);
    await compare(source.image, building, { signal, onOutput: shareOf(CONVERTING, 1) });
    signal.throwIfAborted();
    await confirm();
    await publishFile(building, target.image);
  } catch (cause) {
    await rm(building, { force: true });
    if (signal.aborted || (cause instanceof GodwitError && cause.code !== 'PROGRAM_FAILED')) throw cause;
    throw new GodwitError('COPY_FAILED', 'the disk could not be copied', { cause, retry: 'backoff' });
  }
}

/** What a stopped VM starts on has been read back and found identical; the target may be longer, with zeroes. */
async function compare(source: string, copy: string, options: RunOptions): Promise<void> {
  try {
    await runProgram('qemu-img', ['compare', '-p', '-f', 'raw', '-F', 'raw', source, copy], options);
  } catch (cause) {
    throw new GodwitError('COPY_FAILED', 'the copy is not identical to its source', { cause, retry: 'backoff' });
  }
}

/** To its full size, durable already: what is confirmed afterwards must be there. */
async function grow(path: string, sizeBytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.truncate(sizeBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
