import { firstSlot, hotBlocks, hotOf, readSector, sectorBytes, slotOf } from './record.ts';
import type { Superblock } from './record.ts';

/** Number that each block must hold at least, by block; blocks that no acknowledged write touched are absent. */
export function expectedBlocks(superblock: Superblock, acknowledged: number): ReadonlyMap<number, number> {
  const expected = new Map<number, number>();
  // Only the last write to a block can still be there.
  for (let seq = Math.max(1, acknowledged - superblock.slots + 1); seq <= acknowledged; seq++)
    expected.set(slotOf(seq, superblock), seq);
  for (let seq = Math.max(1, acknowledged - hotBlocks + 1); seq <= acknowledged; seq++) expected.set(hotOf(seq), seq);
  return expected;
}

export type BlockVerdict = 'good' | 'lost' | 'corrupt';

/**
 * Judges one block. Every sector counts by itself: it must be a whole record of this run that belongs exactly here, and not older
 * than `expected` (newer is fine: a write that was under way when the disk was last seen). A block nobody promised may be empty.
 */
export function judgeBlock(
  bytes: Buffer,
  block: number,
  superblock: Superblock,
  expected: number | undefined,
): BlockVerdict {
  let verdict: BlockVerdict = 'good';
  for (let index = 0; index * sectorBytes < bytes.length; index++) {
    const content = readSector(bytes.subarray(index * sectorBytes, (index + 1) * sectorBytes), superblock.runId);
    if (content.kind === 'record') {
      const home = block < firstSlot ? hotOf(content.seq) : slotOf(content.seq, superblock);
      if (content.block !== block || home !== block || content.index !== index) return 'corrupt';
      if (expected !== undefined && content.seq < expected) verdict = 'lost';
    } else if (content.kind === 'empty' || content.kind === 'foreign') {
      if (expected !== undefined) verdict = 'lost';
    } else return 'corrupt';
  }
  return verdict;
}
