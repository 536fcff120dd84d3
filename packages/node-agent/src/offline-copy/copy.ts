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
  /** What the guest's disk had, should the source's image be bigger; what is beyond has to be empty. */
  readonly bytes?: number | undefined;
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
 * Copies the image of one claim over the image of another, thin, grown to the target's size, and compares both. A source
 * that is bigger than the target is cut to what the guest's disk had (`bytes`), if that fits. The target changes only in the
 * last step, atomically; the source is only read, and QEMU's locks refuse while a guest writes it. A copy that was killed is
 * simply made anew. Rejects with `COPY_REFUSED` for what no second attempt heals, `COPY_NO_SPACE` (numbers in the text) or
 * `COPY_FAILED`.
 */
export async function copyImage(options: CopyOptions): Promise<void> {
  const { source, target, signal, onPercent, confirm } = options;
  const have = await measure(source.image);
  if (!have) throw new GodwitError('COPY_REFUSED', 'the source claim holds no disk image');
  const cut = have.size > target.sizeBytes;
  const disk = Math.min(have.size, options.bytes ?? have.size);
  if (disk > target.sizeBytes)
    throw new GodwitError(
      'COPY_REFUSED',
      `the source disk has ${disk} bytes, the target claim holds ${target.sizeBytes} bytes; name a bigger claim`,
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
    const from = cut ? ['--image-opts', beginningOf(source.image, target.sizeBytes)] : ['-f', 'raw', source.image];
    await runProgram('qemu-img', ['convert', '-p', '-O', 'raw', ...from, building], {
      signal,
      onOutput: shareOf(0, CONVERTING),
    });
    await grow(building, target.sizeBytes);
    await compare(source.image, building, { cut, signal, onOutput: shareOf(CONVERTING, 1) });
    signal.throwIfAborted();
    await confirm();
    await publishFile(building, target.image);
  } catch (cause) {
    await rm(building, { force: true });
    if (signal.aborted || (cause instanceof GodwitError && cause.code !== 'PROGRAM_FAILED')) throw cause;
    throw new GodwitError('COPY_FAILED', 'the disk could not be copied', { cause, retry: 'backoff' });
  }
}

/** An image's first `bytes` bytes, for `--image-opts`. */
function beginningOf(path: string, bytes: number): string {
  return `driver=raw,offset=0,size=${bytes},file.driver=file,file.filename=${path.replaceAll(',', ',,')}`;
}

/** What a stopped VM starts on has been read back and found identical; what the longer one has more are zeroes. */
async function compare(
  source: string,
  copy: string,
  { cut, ...options }: RunOptions & { cut: boolean },
): Promise<void> {
  try {
    await runProgram('qemu-img', ['compare', '-p', '-f', 'raw', '-F', 'raw', source, copy], options);
  } catch (cause) {
    if (cut && cause instanceof GodwitError && cause.details['code'] === 1)
      throw new GodwitError(
        'COPY_REFUSED',
        'the source has data beyond the end of the target claim; name a bigger claim',
        {
          cause,
        },
      );
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
