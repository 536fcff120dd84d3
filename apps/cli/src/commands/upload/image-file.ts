import { open } from 'node:fs/promises';
import { GodwitError } from '@godwit/core/errors';

export interface ImageFile {
  readonly path: string;
  readonly lengthBytes: number;
  /** Size of the disk in it; undefined when that takes unpacking. */
  readonly diskBytes: number | undefined;
}

const QCOW2 = Buffer.from('QFI\xfb', 'latin1');
const GZIP = Buffer.from([0x1f, 0x8b]);
/** Where a qcow2 header holds the size of the disk, as a big-endian 64-bit number (QEMU's docs/interop/qcow2.rst). */
const QCOW2_SIZE_AT = 24;

/** What can be said of an image without help. Rejects with `IMAGE_MISSING` or `IMAGE_REFUSED`. */
export async function inspectImageFile(path: string): Promise<ImageFile> {
  const handle = await open(path).catch((cause: unknown) => {
    throw new GodwitError('IMAGE_MISSING', `There is no image file ${path} that can be read`, { cause });
  });
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new GodwitError('IMAGE_MISSING', `There is no image file ${path}`);
    if (info.size === 0) throw new GodwitError('IMAGE_REFUSED', `${path} is empty`);
    const { buffer } = await handle.read(Buffer.alloc(32), 0, 32, 0);
    return { path, lengthBytes: info.size, diskBytes: diskBytesOf(buffer, info.size) };
  } finally {
    await handle.close();
  }
}

/** From the first 32 bytes of a file. */
export function diskBytesOf(head: Buffer, lengthBytes: number): number | undefined {
  if (head.subarray(0, 2).equals(GZIP)) return undefined;
  return head.subarray(0, 4).equals(QCOW2) ? Number(head.readBigUInt64BE(QCOW2_SIZE_AT)) : lengthBytes;
}
