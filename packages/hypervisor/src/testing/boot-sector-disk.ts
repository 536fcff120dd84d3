import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SOURCE = fileURLToPath(new URL('../../testing/boot-sector-guest.s', import.meta.url));
const SECTOR = 512;
const LOAD_ADDRESS = '0x7c00';
const SETTINGS = { slots: 0x1f0, divisor: 0x1f4, beats: 0x1f6, stride: 0x1f8, pages: 0x1fc };
const TIMER_HZ = 1_193_182;
const MAGIC = 0x54_57_44_47;
const FILLING_WORDS = 125;
const EMPTY = Buffer.alloc(SECTOR);

/** Settings of the guest, and what else is on its disk. */
export interface BootSectorOptions {
  /** Time between two heartbeats; default 2 ms. */
  readonly beatMs?: number;
  /** Heartbeats between two writes; default 2. */
  readonly beatsPerWrite?: number;
  /**
   * Sectors from one write to the next, modulo those that the guest uses, with which it must have no common divisor, so
   * that all of them are used. Default 1; more scatters the writes, and each dirties as much as a copy deals with at once.
   */
  readonly stride?: number;
  /** Of its 64 pages of memory, how many it writes to with each heartbeat; default 1. */
  readonly pagesPerBeat?: number;
  /** Data at the end of the disk that the guest never touches, so that there is something to copy; default 0. */
  readonly ballastBytes?: number;
}

export interface BootSectorCheck {
  /** Number of the newest sound record; 0 when there is none. */
  readonly highest: number;
  /** Acknowledged, or older than the newest, but not there. */
  readonly missing: readonly number[];
  /** Slots, ballast included, that hold a record whose filling, checksum or place is wrong. */
  readonly corrupt: readonly number[];
}

/**
 * Makes a raw disk that boots the guest of `testing/boot-sector-guest.s`, sparse apart from its first sector.
 * Needs GNU binutils.
 */
export async function buildBootSectorDisk(
  path: string,
  sizeBytes: number,
  { beatMs = 2, beatsPerWrite = 2, ballastBytes = 0, stride = 1, pagesPerBeat = 1 }: BootSectorOptions = {},
): Promise<void> {
  const sector = await assemble();
  const slots = (sizeBytes - ballastBytes) / SECTOR - 1;
  sector.writeUInt32LE(slots, SETTINGS.slots);
  sector.writeUInt16LE(Math.round((beatMs * TIMER_HZ) / 1000), SETTINGS.divisor);
  sector.writeUInt16LE(beatsPerWrite, SETTINGS.beats);
  sector.writeUInt32LE(stride, SETTINGS.stride);
  sector.writeUInt16LE(pagesPerBeat, SETTINGS.pages);
  await using file = await open(path, 'w');
  await file.write(sector);
  await file.truncate(sizeBytes);
  const ballast = Buffer.alloc(ballastBytes);
  // Records whose number is their place: numbers that start at `slots` can not be the guest's slots.
  for (let i = 0; i < ballastBytes / SECTOR; i++) fillRecord(ballast.subarray(i * SECTOR), slots + i);
  await file.write(ballast, 0, ballast.length, sizeBytes - ballastBytes);
}

/**
 * Reads every record of a raw boot sector disk. Records 1 up to `acknowledged` must all be there, unless the guest has
 * come round and overwritten them with newer ones.
 */
export async function checkBootSectorDisk(path: string, acknowledged = 0): Promise<BootSectorCheck> {
  const disk = await readFile(path);
  const slots = disk.readUInt32LE(SETTINGS.slots);
  const stride = disk.readUInt32LE(SETTINGS.stride);
  // As the guest computes it: the product is 32 bits wide.
  const slotOf = (sequence: number): number => (Math.imul(sequence, stride) >>> 0) % slots;
  const held = new Map<number, number>();
  const corrupt: number[] = [];
  let highest = 0;
  for (let slot = 0; (slot + 2) * SECTOR <= disk.length; slot++) {
    const sector = disk.subarray((slot + 1) * SECTOR, (slot + 2) * SECTOR);
    if (sector.equals(EMPTY)) continue;
    const sequence = sector.readUInt32LE(4);
    const place = slot < slots ? slotOf(sequence) : sequence;
    if (!isSound(sector) || place !== slot) corrupt.push(slot);
    else if (slot < slots) {
      held.set(slot, sequence);
      highest = Math.max(highest, sequence);
    }
  }
  const missing: number[] = [];
  const newest = Math.max(highest, acknowledged);
  for (let sequence = Math.max(1, newest - slots + 1); sequence <= newest; sequence++) {
    if ((held.get(slotOf(sequence)) ?? 0) < sequence) missing.push(sequence);
  }
  return { highest, missing, corrupt };
}

function isSound(sector: Buffer): boolean {
  const expected = Buffer.alloc(SECTOR);
  fillRecord(expected, sector.readUInt32LE(4));
  return sector.equals(expected);
}

function fillRecord(sector: Buffer, sequence: number): void {
  let word = sequence;
  let sum = 0;
  for (let i = 0; i < FILLING_WORDS; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    sector.writeUInt32LE(word, 12 + i * 4);
    sum = (sum + word) >>> 0;
  }
  sector.writeUInt32LE(MAGIC, 0);
  sector.writeUInt32LE(sequence, 4);
  sector.writeUInt32LE(sum, 8);
}

async function assemble(): Promise<Buffer> {
  const run = promisify(execFile);
  const directory = await mkdtemp(join(tmpdir(), 'boot-sector-'));
  try {
    const object = join(directory, 'guest.o');
    const binary = join(directory, 'guest.bin');
    await run('as', ['--32', '-o', object, SOURCE]);
    await run('ld', ['-m', 'elf_i386', '-Ttext', LOAD_ADDRESS, '--oformat', 'binary', '-o', binary, object]);
    const sector = await readFile(binary);
    if (sector.length !== SECTOR) throw new Error(`The boot sector has ${sector.length} bytes instead of ${SECTOR}`);
    return sector;
  } finally {
    await rm(directory, { recursive: true });
  }
}
