import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockBytes, firstSlot, hotOf, readSuperblock, sectorBytes, slotOf } from './record.ts';
import type { Superblock } from './record.ts';
import { expectedBlocks, judgeBlock } from './verify-plan.ts';

const runId = '00000000deadbeef';
const superblock: Superblock = { runId, slots: 100, step: 61 };

function sector(magic: string, first: bigint, second: bigint, index: number, run = runId): Buffer {
  const bytes = Buffer.alloc(sectorBytes, index + 1);
  bytes.write(magic, 0, 'latin1');
  bytes.writeBigUInt64LE(BigInt(`0x${run}`), 8);
  bytes.writeBigUInt64LE(first, 16);
  bytes.writeBigUInt64LE(second, 24);
  bytes.writeUInt32LE(index, 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 508)), 508);
  return bytes;
}

const record = (seq: number, block: number, run = runId): Buffer =>
  Buffer.concat(Array.from({ length: 8 }, (_, index) => sector('GODWITS1', BigInt(seq), BigInt(block), index, run)));

const block7 = slotOf(7, superblock);

test('consecutive writes never share a block until all slots are used', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e6 }), (from) => {
      const blocks = new Set(Array.from({ length: superblock.slots }, (_, i) => slotOf(from + i, superblock)));
      expect(blocks.size).toBe(superblock.slots);
      expect(Math.min(...blocks)).toBe(firstSlot);
    }),
  );
});

test('the superblock is read from whichever sector is whole', () => {
  const block = Buffer.concat(Array.from({ length: 8 }, (_, index) => sector('GODWITS0', 100n, 61n, index)));
  block.fill(0xff, 0, sectorBytes);
  expect(readSuperblock(block)).toEqual(superblock);
  expect(readSuperblock(Buffer.alloc(blockBytes))).toBeUndefined();
});

test('each block must hold the last acknowledged write that went there', () => {
  const expected = expectedBlocks(superblock, 250);
  expect(expected.size).toBe(superblock.slots + 64);
  for (const [block, seq] of expected) {
    expect([slotOf(seq, superblock), hotOf(seq)]).toContain(block);
    const next = block < firstSlot ? seq + 64 : seq + superblock.slots;
    expect(next).toBeGreaterThan(250);
  }
});

test('before the first acknowledged write nothing is promised', () => {
  expect(expectedBlocks(superblock, 0).size).toBe(0);
});

const damaged = (change: (block: Buffer) => void): Buffer => {
  const block = record(7, block7);
  change(block);
  return block;
};

test.each([
  ['the write itself', record(7, block7), 7, 'good'],
  ['a later write to the same block', record(107, block7), 7, 'good'],
  ['nothing where nothing is promised', Buffer.alloc(blockBytes), undefined, 'good'],
  ['an unacknowledged write', record(7, block7), undefined, 'good'],
  ['nothing at all', Buffer.alloc(blockBytes), 7, 'lost'],
  ['an older write', record(7, block7), 107, 'lost'],
  [
    'one sector still of an older write',
    Buffer.concat([record(107, block7).subarray(0, 3584), record(7, block7).subarray(3584)]),
    107,
    'lost',
  ],
  ['one sector empty', damaged((block) => block.fill(0, 512, 1024)), 7, 'lost'],
  ['another run of the oracle', record(7, block7, '00000000cafebabe'), 7, 'lost'],
  ['a flipped bit', damaged((block) => block.writeUInt8(block.readUInt8(2000) ^ 1, 2000)), 7, 'corrupt'],
  ['a block that belongs elsewhere', record(8, slotOf(8, superblock)), 7, 'corrupt'],
  ['sectors in the wrong order', damaged((block) => block.copy(block, 0, 512, 1024)), 7, 'corrupt'],
  ['rubbish where nothing is promised', Buffer.alloc(blockBytes, 0xa5), undefined, 'corrupt'],
] as const)('%s', (_what, bytes, expected, verdict) => {
  expect(judgeBlock(bytes, block7, superblock, expected)).toBe(verdict);
});
