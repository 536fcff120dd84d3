import { GodwitError } from '@godwit/core/errors';
import { isQcow2, readImageHead } from '../../local/image-head.ts';

export interface ImageFile {
  readonly path: string;
  readonly lengthBytes: number;
  /** Size of the disk in it; undefined when that takes unpacking. */
  readonly diskBytes: number | undefined;
}

const GZIP = Buffer.from([0x1f, 0x8b]);
/** Where a qcow2 header holds the size of the disk, as a big-endian 64-bit number (QEMU's docs/interop/qcow2.rst). */
const QCOW2_SIZE_AT = 24;

/** What can be said of an image without help. Rejects with `IMAGE_MISSING` or `IMAGE_REFUSED`. */
export async function inspectImageFile(path: string): Promise<ImageFile> {
  const { head, lengthBytes } = await readImageHead(path);
  if (lengthBytes === 0) throw new GodwitError('IMAGE_REFUSED', `${path} is empty`);
  return { path, lengthBytes, diskBytes: diskBytesOf(head, lengthBytes) };
}

/** From the first 32 bytes of a file. */
export function diskBytesOf(head: Buffer, lengthBytes: number): number | undefined {
  if (head.subarray(0, 2).equals(GZIP)) return undefined;
  return isQcow2(head) ? Number(head.readBigUInt64BE(QCOW2_SIZE_AT)) : lengthBytes;
}
