import { crc32 } from 'node:zlib';

/** On-disk format of the write oracle; `guest/record.h` writes the same layout. */
export const sectorBytes = 512;
export const blockBytes = 4096;
export const hotBlocks = 64;
export const firstSlot: number = 1 + hotBlocks;

const superblockMagic = 'GODWITS0';
const recordMagic = 'GODWITS1';
const crcOffset = 508;

export interface Superblock {
  readonly runId: string;
  readonly slots: number;
  readonly step: number;
}

/** What one sector turned out to be. `foreign` is a whole record of another run. */
export type SectorContent =
  | { readonly kind: 'empty' | 'damaged' | 'foreign' }
  | { readonly kind: 'record'; readonly seq: number; readonly block: number; readonly index: number };

const zeroes = Buffer.alloc(blockBytes);

export function isZero(bytes: Buffer): boolean {
  return bytes.equals(zeroes.subarray(0, bytes.length));
}

const sealed = (sector: Buffer): boolean => crc32(sector.subarray(0, crcOffset)) === sector.readUInt32LE(crcOffset);
const magicOf = (sector: Buffer): string => sector.toString('latin1', 0, 8);
const runOf = (sector: Buffer): string => sector.readBigUInt64LE(8).toString(16).padStart(16, '0');

export function readSector(sector: Buffer, runId: string): SectorContent {
  if (isZero(sector)) return { kind: 'empty' };
  if (magicOf(sector) !== recordMagic || !sealed(sector)) return { kind: 'damaged' };
  if (runOf(sector) !== runId) return { kind: 'foreign' };
  const seq = Number(sector.readBigUInt64LE(16));
  return { kind: 'record', seq, block: Number(sector.readBigUInt64LE(24)), index: sector.readUInt32LE(32) };
}

/** From any whole sector of block 0; undefined when none is left. */
export function readSuperblock(block: Buffer): Superblock | undefined {
  for (let at = 0; at + sectorBytes <= block.length; at += sectorBytes) {
    const sector = block.subarray(at, at + sectorBytes);
    if (magicOf(sector) !== superblockMagic || !sealed(sector)) continue;
    return {
      runId: runOf(sector),
      slots: Number(sector.readBigUInt64LE(16)),
      step: Number(sector.readBigUInt64LE(24)),
    };
  }
  return undefined;
}

/** Block that write `seq` goes to; `seq -> slotOf` is a permutation of every `slots` consecutive numbers. */
export function slotOf(seq: number, { slots, step }: Superblock): number {
  return firstSlot + Number((BigInt(seq % slots) * BigInt(step)) % BigInt(slots));
}

export function hotOf(seq: number): number {
  return 1 + (seq % hotBlocks);
}
