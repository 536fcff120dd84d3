import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedDirectory } from './cache.ts';
import { GodwitError } from '@godwit/core/errors';
import { runTool } from './run-tool.ts';

const metaPackage = 'linux-image-cloud-amd64';

export interface KernelFiles {
  /** Tells two kernels apart: the package file's name, version included. */
  readonly id: string;
  readonly image: string;
  readonly modules: string;
  readonly busybox: string;
}

/**
 * Debian's cloud kernel and static busybox, unpacked into the cache and not installed. A cached one is used without asking
 * apt again, whatever its version. Rejects with `GUEST_KERNEL_UNAVAILABLE` where there is no apt or no package source.
 */
export async function fetchKernel(cache: string): Promise<KernelFiles> {
  await mkdir(cache, { recursive: true });
  const cached = (await readdir(cache)).filter((name) => name.startsWith('kernel-')).toSorted();
  // The newest of those that are there: names sort by version well enough, and any of them will do.
  const directory = cached.length > 0 ? join(cache, cached[cached.length - 1]!) : await download(cache);
  const image = (await readdir(join(directory, 'boot'))).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) throw new GodwitError('GUEST_KERNEL_UNAVAILABLE', `There is no kernel in ${directory}`);
  return {
    id: directory.slice(cache.length + 1),
    image: join(directory, 'boot', image),
    modules: join(directory, 'lib', 'modules'),
    busybox: join(directory, 'bin', 'busybox'),
  };
}

async function download(cache: string): Promise<string> {
  try {
    return await downloadWith(cache, []);
  } catch {
    // No package lists on this machine, or too old ones: fetch private ones, which needs no privileges.
    const state = join(cache, `.apt-${process.pid}`);
    await mkdir(join(state, 'lists', 'partial'), { recursive: true });
    await mkdir(join(state, 'archives', 'partial'), { recursive: true });
    const options = ['-o', `Dir::State::Lists=${join(state, 'lists')}`, '-o', `Dir::Cache=${state}`];
    try {
      await runTool('apt-get', [...options, 'update', '-qq']);
      return await downloadWith(cache, options);
    } catch (error) {
      throw new GodwitError(
        'GUEST_KERNEL_UNAVAILABLE',
        `Cannot download the guest's kernel (${metaPackage}) with apt-get`,
        { cause: error },
      );
    } finally {
      await rm(state, { recursive: true, force: true });
    }
  }
}

async function downloadWith(cache: string, options: readonly string[]): Promise<string> {
  const shown = await runTool('apt-cache', [...options, 'depends', metaPackage]);
  const name = /Depends: (linux-image-\S+)/.exec(shown)?.[1];
  if (name === undefined)
    throw new GodwitError('GUEST_KERNEL_UNAVAILABLE', `apt knows no kernel behind ${metaPackage}`);
  return cachedDirectory(cache, `kernel-${name}`, async (draft) => {
    const sandbox = ['-o', 'APT::Sandbox::User=root'];
    await runTool('apt-get', [...options, ...sandbox, 'download', '-qq', name, 'busybox-static'], { cwd: draft });
    for (const file of await readdir(draft)) {
      await runTool('dpkg-deb', ['-x', join(draft, file), draft]);
      await rm(join(draft, file));
    }
  });
}
