import { createHash } from 'node:crypto';
import { copyFile, constants, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { isQcow2, readImageHead } from './image-head.ts';

/** Reference (`quay.io/kubevirt/cirros-container-disk-demo`, a URL …) to a file name below the images directory. */
export type Catalogue = Record<string, string>;

export async function readCatalogue(directory: string): Promise<Catalogue> {
  try {
    return JSON.parse(await readFile(join(directory, 'catalogue.json'), 'utf8')) as Catalogue;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new GodwitError('CATALOGUE_INVALID', `The image catalogue in ${directory} cannot be read`, { cause: error });
  }
}

async function writeCatalogue(directory: string, catalogue: Catalogue): Promise<void> {
  const temporary = join(directory, `catalogue.json.${process.pid}`);
  await writeFile(temporary, `${JSON.stringify(catalogue, null, 2)}\n`);
  await rename(temporary, join(directory, 'catalogue.json'));
}

/**
 * Rejects with `IMAGE_MISSING` or `IMAGE_REFUSED` for a file that no guest can have as a disk: a raw image is whole sectors.
 * Node agents look closer before they use it.
 */
export async function checkDiskImage(file: string): Promise<void> {
  const { head, lengthBytes } = await readImageHead(file);
  if (!isQcow2(head) && (lengthBytes === 0 || lengthBytes % 512 !== 0))
    throw new GodwitError('IMAGE_REFUSED', `${file} is neither a qcow2 nor a raw disk image (${lengthBytes} bytes)`);
}

/** Copies a disk image (sharing blocks where the filesystem can) and makes `reference` resolve to it; what it was before goes. One at a time. */
export async function addImage(directory: string, reference: string, file: string): Promise<void> {
  const info = await stat(file).catch(() => undefined);
  if (!info?.isFile()) throw new GodwitError('IMAGE_MISSING', `There is no image file ${file}`);
  await mkdir(directory, { recursive: true });
  const name = `${createHash('sha256').update(reference).digest('hex').slice(0, 12)}-${basename(file)}`;
  const temporary = join(directory, `.${name}.${process.pid}`);
  await copyFile(file, temporary, constants.COPYFILE_FICLONE);
  await rename(temporary, join(directory, name));
  const { [reference]: before, ...others } = await readCatalogue(directory);
  await writeCatalogue(directory, { ...others, [reference]: name });
  if (before !== undefined && before !== name) await removeUnused(directory, before, Object.values(others));
}

async function removeUnused(directory: string, file: string, used: readonly string[]): Promise<void> {
  if (!used.includes(file)) await rm(join(directory, file), { force: true });
}

/** Forgets a reference; its file goes when nothing else names it. */
export async function removeImage(directory: string, reference: string): Promise<void> {
  const { [reference]: file, ...rest } = await readCatalogue(directory);
  if (file === undefined)
    throw new GodwitError(
      'IMAGE_UNKNOWN',
      `The catalogue does not know "${reference}"; "godwit image list" shows what it knows`,
    );
  await writeCatalogue(directory, rest);
  await removeUnused(directory, file, Object.values(rest));
}
