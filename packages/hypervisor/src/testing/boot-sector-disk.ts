import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SOURCE = fileURLToPath(new URL('../../testing/boot-sector-guest.s', import.meta.url));
const SECTOR = 512;
const LOAD_ADDRESS = '0x7c00';
const SETTINGS = { slots: 0x1f0, divisor: 0x1f4, beats: 0x1f6 };
const TIMER_HZ = 1_193_182;
const MAGIC = 0x54_57_44_47;
const FILLING_WORDS = 125;

export interface BootSectorOptions {
  /** Time between two heartbeats; default 2 ms. */
  readonly beatMs?: number;
  /** Heartbeats between two writes; default 2. */
  readonly beatsPerWrite?: number;
}

export interface BootSectorCheck {
  /** Number of the newest sound record; 0 when there is none. */
  readonly highest: number;
  /** Acknowledged, or older than the newest, but not there. */
  readonly missing: readonly number[];
  /** Slots that hold a record whose filling, checksum or place is wrong. */
  readonly corrupt: readonly number[];
}

/**
 * Makes a raw disk that boots the guest of `testing/boot-sector-guest.s`, sparse apart from its first sector.
 * Needs GNU binutils.
 */
export async function buildBootSectorDisk(
  path: string,
  sizeBytes: number,
  { beatMs = 2, beatsPerWrite = 2 }: BootSectorOptions = {},
): Promise<void> {
  const sector = await assemble();
  sector.writeUInt32LE(slotCount(sizeBytes), SETTINGS.slots);
  sector.writeUInt16LE(Math.round((beatMs * TIMER_HZ) / 1000), SETTINGS.divisor);
  sector.writeUInt16LE(beatsPerWrite, SETTINGS.beats);
  await using file = await open(path, 'w');
  await file.write(sector);
  await file.truncate(sizeBytes);
}

/**
 * Reads every record of a raw boot sector disk. Records 1 up to `acknowledged` must all be there, unless the guest has
 * come round and overwritten them with newer ones.
 */
export async function checkBootSectorDisk(path: string, acknowledged = 0): Promise<BootSectorCheck> {
  const disk = await readFile(path);
  const slots = disk.readUInt32LE(SETTINGS.slots);
  const held = new Map<number, number>();
  const corrupt: number[] = [];
  let highest = 0;
  for (let slot = 0; slot < slots; slot++) {
    const sector = disk.subarray((slot + 1) * SECTOR, (slot + 2) * SECTOR);
    if (sector.length < SECTOR || sector.every((byte) => byte === 0)) continue;
    const sequence = sector.readUInt32LE(4);
    if (!isSound(sector) || sequence % slots !== slot) {
      corrupt.push(slot);
      continue;
    }
    held.set(slot, sequence);
    highest = Math.max(highest, sequence);
  }
  const missing: number[] = [];
  const newest = Math.max(highest, acknowledged);
  for (let sequence = Math.max(1, newest - slots + 1); sequence <= newest; sequence++) {
    if ((held.get(sequence % slots) ?? 0) < sequence) missing.push(sequence);
  }
  return { highest, missing, corrupt };
}

function slotCount(sizeBytes: number): number {
  return sizeBytes / SECTOR - 1;
}

function isSound(sector: Buffer): boolean {
  if (sector.readUInt32LE(0) !== MAGIC) return false;
  let word = sector.readUInt32LE(4);
  let sum = 0;
  for (let i = 0; i < FILLING_WORDS; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    if (sector.readUInt32LE(12 + i * 4) !== word) return false;
    sum = (sum + word) >>> 0;
  }
  return sector.readUInt32LE(8) === sum;
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
