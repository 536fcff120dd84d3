import { GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import { runProgram } from '../host/programs.ts';

export interface ImageInfo {
  readonly format: 'raw' | 'qcow2' | 'vdi' | 'vpc' | 'vhdx';
  readonly virtualSizeBytes: number;
}

const FORMATS: readonly string[] = ['raw', 'qcow2', 'vdi', 'vpc', 'vhdx'];

/**
 * Format and virtual size of an image nobody vouches for. Rejects with `IMAGE_REFUSED` when it refers to other files of
 * this host (backing file, data file, a descriptor format): copying it would give the guest their contents.
 */
export async function inspectImage(path: string): Promise<ImageInfo> {
  const info: unknown = JSON.parse(await runProgram('qemu-img', ['info', '--output=json', path]));
  if (!isObject(info) || typeof info.format !== 'string' || typeof info['virtual-size'] !== 'number')
    throw new GodwitError('IMAGE_REFUSED', `qemu-img does not understand ${path}`);
  const specific = isObject(info['format-specific']) ? info['format-specific'].data : undefined;
  if (info['backing-filename'] !== undefined || (isObject(specific) && specific['data-file'] !== undefined))
    throw new GodwitError('IMAGE_REFUSED', 'the image refers to another file; flatten it first (qemu-img convert)');
  if (!FORMATS.includes(info.format))
    throw new GodwitError('IMAGE_REFUSED', `images of format ${info.format} are not accepted; use raw or qcow2`);
  // The cast is safe: the list above was just consulted.
  return { format: info.format as ImageInfo['format'], virtualSizeBytes: info['virtual-size'] };
}
