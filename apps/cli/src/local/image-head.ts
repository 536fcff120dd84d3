import { open } from 'node:fs/promises';
import { GodwitError } from '@godwit/core/errors';

const QCOW2 = Buffer.from('QFI\xfb', 'latin1');
const HEAD_BYTES = 32;

export function isQcow2(head: Buffer): boolean {
  return head.subarray(0, QCOW2.length).equals(QCOW2);
}

/** Length and first 32 bytes (zeroes after its end) of an image file. Rejects with `IMAGE_MISSING` when it cannot be read, or is no file. */
export async function readImageHead(path: string): Promise<{ readonly head: Buffer; readonly lengthBytes: number }> {
  const handle = await open(path).catch((cause: unknown) => {
    throw new GodwitError('IMAGE_MISSING', `There is no image file ${path} that can be read`, { cause });
  });
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new GodwitError('IMAGE_MISSING', `There is no image file ${path}`);
    const { buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return { head: buffer, lengthBytes: info.size };
  } finally {
    await handle.close();
  }
}
