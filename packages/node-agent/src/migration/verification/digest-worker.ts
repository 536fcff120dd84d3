import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { CHUNK_BYTES, chunksToRead, DIGEST_BYTES, emptyDigests, type ChunkRun, type Extent } from './digest.ts';
import type { DiskToDigest, WorkerAnswer } from './digest-disks.ts';

/*
 * Reads disks and answers with their digests. A thread of its own: hashing would hold up everything else of the agent.
 *
 * What is read is what the storage has. Everything that this host still holds back for the file is written out first, and
 * the reads then go around the page cache (O_DIRECT), where the file system allows it.
 */
const CHUNKS_PER_READ = 4;
const READ_BYTES = CHUNKS_PER_READ * CHUNK_BYTES;
const ALIGNMENT = 4096;
const MAX_MAP_BYTES = 2 ** 30;

/** As Node has it; the compiler's libraries know it only together with a browser. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

/** O_DIRECT wants memory that begins at a page, which no Buffer does, but a WebAssembly memory does. */
function alignedMemory(): Uint8Array {
  return new Uint8Array(new WebAssembly.Memory({ initial: READ_BYTES / 65_536, maximum: READ_BYTES / 65_536 }).buffer);
}

const memories = [alignedMemory(), alignedMemory()] as const;

async function digest({ name, path, sizeBytes }: DiskToDigest): Promise<WorkerAnswer> {
  const begun = performance.now();
  await flush(path);
  const extents = await dataExtents(path, sizeBytes);
  const runs = chunksToRead(extents, sizeBytes, CHUNKS_PER_READ);
  const chunks = emptyDigests(sizeBytes);
  const direct = await openDirect(path);
  await using file = direct ?? (await open(path, constants.O_RDONLY));
  let bytesRead = 0;
  let reading = runs[0] && read(file, runs[0], memories[0], sizeBytes);
  for (const [index, run] of runs.entries()) {
    const data = await reading;
    const next = runs[index + 1];
    // The disk is busy while this run is hashed.
    reading = next && read(file, next, memories[(index + 1) % 2 === 0 ? 0 : 1], sizeBytes);
    if (data === undefined) throw new Error(`${path} cannot be read`);
    bytesRead += data.length;
    for (let at = 0; at < data.length; at += CHUNK_BYTES) {
      const place = (run.from + at / CHUNK_BYTES) * DIGEST_BYTES;
      hash('sha256', data.subarray(at, at + CHUNK_BYTES), 'buffer').copy(chunks, place);
    }
  }
  const milliseconds = Math.round(performance.now() - begun);
  return { name, bytes: sizeBytes, bytesRead, cached: direct === undefined, milliseconds, chunks };
}

async function flush(path: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY);
  await file.datasync();
}

/** undefined where the file system has no direct reads. */
async function openDirect(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_DIRECT);
    await file.read(memories[0], 0, ALIGNMENT, 0);
    return file;
  } catch (error) {
    await file?.close();
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL') return undefined;
    throw error;
  }
}

async function read(file: FileHandle, run: ChunkRun, memory: Uint8Array, sizeBytes: number): Promise<Uint8Array> {
  const start = run.from * CHUNK_BYTES;
  const wanted = Math.min(run.until * CHUNK_BYTES, sizeBytes) - start;
  const whole = Math.ceil(wanted / ALIGNMENT) * ALIGNMENT;
  let got = 0;
  while (got < wanted) {
    const { bytesRead } = await file.read(memory, got, whole - got, start + got);
    if (bytesRead === 0) throw new Error(`it ends after ${start + got} bytes, ${sizeBytes} are needed`);
    got += bytesRead;
  }
  return memory.subarray(0, wanted);
}

/** The target of a mirror is locked against readers, since it is not whole; here it is, and nothing writes to it. */
function unlocked(path: string): string {
  return `json:${JSON.stringify({ driver: 'raw', file: { driver: 'file', filename: path, locking: 'off' } })}`;
}

/** Where a file is not a hole; for a device, and when nobody knows, all of it. */
async function dataExtents(path: string, sizeBytes: number): Promise<readonly Extent[]> {
  try {
    const { stdout } = await promisify(execFile)('qemu-img', ['map', '--output=json', unlocked(path)], {
      maxBuffer: MAX_MAP_BYTES,
    });
    // The cast is safe: it is what this command prints; a member that is not there counts as data.
    const map = JSON.parse(stdout) as readonly (Extent & { readonly data?: boolean; readonly zero?: boolean })[];
    const mapped = map.at(-1);
    if (mapped === undefined || mapped.start + mapped.length < sizeBytes) throw new Error('The map is not complete');
    return map.filter(({ data, zero }) => data !== false || zero !== true);
  } catch {
    return [{ start: 0, length: sizeBytes }];
  }
}

// The cast is safe: digest-disks.ts starts this worker.
for (const disk of workerData as readonly DiskToDigest[]) {
  const answer = await digest(disk);
  parentPort?.postMessage(answer, [answer.chunks.buffer as ArrayBuffer]);
}
