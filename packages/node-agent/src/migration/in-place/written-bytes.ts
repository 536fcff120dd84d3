import { stat } from 'node:fs/promises';
import type { DiskMove } from '../disks/mirror-in-sync.ts';

const SECTOR = 512;

/** Tells how many bytes have been written to the targets of a move since this was made. Holes do not count. */
export type WrittenBytes = (volumes: readonly { name: string; bytesDone: number }[]) => Promise<number>;

export async function countWritten(disks: readonly DiskMove[]): Promise<WrittenBytes> {
  const before = new Map<string, number | undefined>();
  for (const { name, to } of disks) before.set(name, await allocated(to.path));
  const mirrored = new Map<string, number>();
  return async (volumes) => {
    for (const { name, bytesDone } of volumes) mirrored.set(name, Math.max(mirrored.get(name) ?? 0, bytesDone));
    let sum = 0;
    for (const { name, to } of disks) {
      const [first, now] = [before.get(name), await allocated(to.path)];
      // A device has no notion of holes: what the mirror has been through is all that is known.
      sum += first === undefined || now === undefined ? (mirrored.get(name) ?? 0) : Math.max(0, now - first);
    }
    return sum;
  };
}

/** What a file occupies; undefined for devices, and for what cannot be looked at. */
async function allocated(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.blocks * SECTOR : undefined;
}
