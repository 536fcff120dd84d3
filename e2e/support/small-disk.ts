import { rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { eventually } from './eventually.ts';
import { run, said } from './tools.ts';

/** Why a filesystem of its own cannot be had here; undefined when it can. */
export function whyNoSmallDisk(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'mounting a small filesystem needs root';
}

export interface SmallDisk extends AsyncDisposable {
  /** Takes every free block away, so that whoever writes next finds none. */
  fill(): Promise<void>;
}

/**
 * Puts a small ext4 over a directory. Disposal takes it off again. Rejects with `E2E_NO_LOOP_DEVICE` where the kernel gives no
 * loop device, as in some containers.
 */
export async function smallDisk(directory: string, image: string, mebibytes: number): Promise<SmallDisk> {
  await writeFile(image, '');
  await truncate(image, mebibytes << 20);
  await must('mkfs.ext4', '-q', '-m', '0', '-O', '^has_journal', image);
  const mounted = await run('mount', ['-o', 'loop', image, directory]);
  if (mounted.status !== 0) throw new GodwitError('E2E_NO_LOOP_DEVICE', `No loop device: ${said(mounted)}`);
  await rm(join(directory, 'lost+found'), { recursive: true, force: true });
  return {
    async fill() {
      const { bavail, bsize } = await statfs(directory);
      // Others write at the same time: most of it at once, the rest until nothing more fits.
      await run('fallocate', ['-l', String(Math.floor(bavail * bsize * 0.95)), join(directory, 'ballast')]);
      const rest = await run('dd', ['if=/dev/zero', `of=${join(directory, 'rest')}`, 'bs=64k']);
      if (!rest.stderr.includes('No space left'))
        throw new GodwitError('E2E_TOOL_FAILED', `The small disk cannot be filled: ${said(rest)}`);
    },
    async [Symbol.asyncDispose]() {
      await eventually('nobody to use the small disk', async () => (await run('umount', [directory])).status === 0);
      await rm(image, { force: true });
    },
  };
}

async function must(program: string, ...parameters: readonly string[]): Promise<void> {
  const finished = await run(program, parameters);
  if (finished.status !== 0) throw new GodwitError('E2E_TOOL_FAILED', `${program}: ${said(finished)}`);
}
