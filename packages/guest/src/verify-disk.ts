import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { GodwitError } from '@godwit/core/errors';
import { blockBytes, firstSlot, isZero, readSuperblock } from './record.ts';
import type { Superblock } from './record.ts';
import { expectedBlocks, judgeBlock } from './verify-plan.ts';

export interface DiskVerdict {
  /** Acknowledged writes whose block was looked at: every write that no later write replaced. */
  readonly checked: number;
  /** Acknowledged writes that the disk does not have. */
  readonly lost: number;
  /** Blocks that hold something the oracle never wrote there. */
  readonly corrupt: number;
  /** The first few faults, for people. */
  readonly faults: readonly string[];
}

const chunkBytes = 1 << 20;
const faultsShown = 10;

/**
 * Looks for every acknowledged write in a raw image or block device. The guest may still be running if `acknowledged` was read
 * before the call, but then from a path that no host cache hides. Holes cost a comparison with zeroes, no more.
 * Rejects with `GUEST_DISK_UNREADABLE` when the file cannot be read; a disk that never was the oracle's loses every write.
 */
export async function verifyOracleDisk(
  source: string | FileHandle,
  runId: string,
  acknowledged: number,
): Promise<DiskVerdict> {
  const file = typeof source === 'string' ? await openDisk(source) : source;
  try {
    const first = Buffer.alloc(blockBytes);
    await file.read(first, 0, blockBytes, 0);
    const superblock = readSuperblock(first);
    if (superblock === undefined || superblock.runId !== runId) {
      const fault =
        superblock === undefined ? 'block 0 is no superblock' : `the disk belongs to run ${superblock.runId}`;
      return {
        checked: 0,
        lost: acknowledged,
        corrupt: superblock === undefined && !isZero(first) ? 1 : 0,
        faults: [fault],
      };
    }
    return await verifyBlocks(file, superblock, acknowledged);
  } finally {
    if (typeof source === 'string') await file.close();
  }
}

async function openDisk(path: string): Promise<FileHandle> {
  return open(path, 'r').catch((error: unknown) => {
    throw new GodwitError('GUEST_DISK_UNREADABLE', `Cannot open the disk ${path}`, { cause: error });
  });
}

async function verifyBlocks(file: FileHandle, superblock: Superblock, acknowledged: number): Promise<DiskVerdict> {
  const expected = expectedBlocks(superblock, acknowledged);
  const faults: string[] = [];
  let lost = 0;
  let corrupt = 0;
  const end = firstSlot + superblock.slots;
  const chunk = Buffer.alloc(chunkBytes);
  for (let base = 0; base < end; base += chunkBytes / blockBytes) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, base * blockBytes);
    // What the file does not reach is as lost as what it holds empty.
    if (bytesRead < chunkBytes) chunk.fill(0, bytesRead);
    for (let i = 0; i < chunkBytes / blockBytes && base + i < end; i++) {
      const block = base + i;
      if (block === 0) continue;
      const bytes = chunk.subarray(i * blockBytes, (i + 1) * blockBytes);
      const wanted = expected.get(block);
      if (wanted === undefined && isZero(bytes)) continue;
      const verdict = judgeBlock(bytes, block, superblock, wanted);
      if (verdict === 'good') continue;
      if (verdict === 'lost') lost++;
      else corrupt++;
      if (faults.length < faultsShown)
        faults.push(`block ${block}: ${verdict}${wanted === undefined ? '' : `, write ${wanted}`}`);
    }
  }
  return { checked: Math.min(acknowledged, superblock.slots), lost, corrupt, faults };
}
