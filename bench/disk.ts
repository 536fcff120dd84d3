import { randomFillSync } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { seededRandom } from './statistics.ts';

const MIB = 1 << 20;
const BLOCK = 4096;
const SECTOR = 512;
/** The write oracle keeps to this many blocks at the beginning, so that the disk stays as full as it was made. */
export const oracleSlots = 4096;
const FIRST_SLOT = 65;
/** From here on nobody writes: the same bytes must be there after every move. */
export const untouchedFrom: number = 17 * MIB;

/**
 * A raw image of `mebibytes`, of which `percent` hold random data in extents of 1 MiB spread evenly. The beginning is the
 * write oracle's, with its superblock (guest/record.h of packages/guest).
 */
export async function makeDisk(path: string, mebibytes: number, percent: number, runId: string): Promise<void> {
  await using file = await open(path, 'w');
  await file.truncate(mebibytes * MIB);
  await file.write(superblock(runId, oracleSlots), 0, BLOCK, 0);
  const noise = Buffer.alloc(MIB);
  for (let at = untouchedFrom / MIB; at < mebibytes; at++) {
    if (Math.floor((at * percent) / 100) === Math.floor(((at - 1) * percent) / 100)) continue;
    randomFillSync(noise);
    await file.write(noise, 0, MIB, at * MIB);
  }
  await file.sync();
}

function superblock(runId: string, slots: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  for (let index = 0; index * SECTOR < BLOCK; index++) {
    const sector = block.subarray(index * SECTOR, (index + 1) * SECTOR);
    sector.write('GODWITS0', 'latin1');
    sector.writeBigUInt64LE(BigInt(`0x${runId}`), 8);
    sector.writeBigUInt64LE(BigInt(slots), 16);
    // Odd, hence without a common divisor with the number of slots, which is a power of two.
    sector.writeBigUInt64LE(2531n, 24);
    sector.writeUInt32LE(index, 32);
    sector.writeUInt32LE(crc32(sector.subarray(0, SECTOR - 4)), SECTOR - 4);
  }
  return block;
}

export async function allocatedBytes(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}

const PROBES = 192;
const PROBE_BYTES = 64 * 1024;

/** Compares places all over two disks, outside of what the guest writes. Resolves with what differs, or undefined. */
export async function difference(original: string, copy: string, seed: number): Promise<string | undefined> {
  await using from = await open(original, 'r');
  await using to = await open(copy, 'r');
  const [{ size }, { size: copied }] = await Promise.all([from.stat(), to.stat()]);
  if (copied < size) return `the copy has ${copied} bytes, the original ${size}`;
  const random = seededRandom(seed);
  for (let probe = 0; probe < PROBES; probe++) {
    const room = size - untouchedFrom - PROBE_BYTES;
    const at = untouchedFrom + Math.floor((random() * room) / BLOCK) * BLOCK;
    const [a, b] = await Promise.all([read(from, at), read(to, at)]);
    if (!a.equals(b)) return `the bytes at ${at} differ`;
  }
  return undefined;
}

async function read(file: FileHandle, at: number): Promise<Buffer> {
  const bytes = Buffer.alloc(PROBE_BYTES);
  await file.read(bytes, 0, PROBE_BYTES, at);
  return bytes;
}

export const slotsFit = (mebibytes: number): boolean =>
  (FIRST_SLOT + oracleSlots) * BLOCK < untouchedFrom && mebibytes > 17;
