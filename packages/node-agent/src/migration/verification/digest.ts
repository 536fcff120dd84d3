import { hash } from 'node:crypto';

/**
 * How disks are compared: each in chunks of 1 MiB, the last one shorter, each chunk by its SHA-256. A hole counts as the
 * zeroes that a guest reads there. The digest of a disk is the SHA-256 of its chunks' digests one after the other.
 */
export const CHUNK_BYTES = 2 ** 20;
export const DIGEST_BYTES = 32;

/** A part of an image that may hold something else than zeroes. */
export interface Extent {
  readonly start: number;
  readonly length: number;
}

/** Consecutive chunks, `from` first, `until` excluded. */
export interface ChunkRun {
  readonly from: number;
  readonly until: number;
}

export function chunkCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / CHUNK_BYTES);
}

/** Chunks that have to be read: whatever touches an extent, in ascending order and runs of at most `longest`. */
export function chunksToRead(extents: readonly Extent[], sizeBytes: number, longest: number): readonly ChunkRun[] {
  const last = chunkCount(sizeBytes);
  const runs: ChunkRun[] = [];
  let next = 0;
  for (const { start, length } of extents.toSorted((one, other) => one.start - other.start)) {
    if (length <= 0) continue;
    const until = Math.min(last, Math.ceil((start + length) / CHUNK_BYTES));
    for (let from = Math.max(next, Math.floor(start / CHUNK_BYTES)); from < until; from += longest)
      runs.push({ from, until: Math.min(until, from + longest) });
    next = Math.max(next, until);
  }
  return runs;
}

/** Digests of a disk that is nothing but holes; what is read is written over them. */
export function emptyDigests(sizeBytes: number): Buffer {
  const digests = Buffer.alloc(chunkCount(sizeBytes) * DIGEST_BYTES);
  const zeroes = Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes));
  const full = hash('sha256', zeroes, 'buffer');
  const rest = sizeBytes % CHUNK_BYTES;
  for (let at = 0; at < digests.length; at += DIGEST_BYTES) full.copy(digests, at);
  if (rest !== 0) hash('sha256', zeroes.subarray(0, rest), 'buffer').copy(digests, digests.length - DIGEST_BYTES);
  return digests;
}

export function diskDigest(chunks: Uint8Array): string {
  return hash('sha256', chunks, 'hex');
}

export interface Difference {
  readonly offset: number;
  readonly bytes: number;
  readonly source: string;
  readonly target: string;
}

/** The first chunk, from number `first` on, that the target has not as the source; both lists begin at that chunk. */
export function firstDifference(
  source: Uint8Array,
  target: Uint8Array,
  first: number,
  sizeBytes: number,
): Difference | undefined {
  const length = Math.max(source.length, target.length);
  for (let at = 0; at < length; at += DIGEST_BYTES) {
    const [mine, theirs] = [hexAt(source, at), hexAt(target, at)];
    if (mine === theirs) continue;
    const offset = (first + at / DIGEST_BYTES) * CHUNK_BYTES;
    return { offset, bytes: Math.min(CHUNK_BYTES, sizeBytes - offset), source: mine, target: theirs };
  }
  return undefined;
}

function hexAt(digests: Uint8Array, at: number): string {
  return Buffer.from(digests.subarray(at, at + DIGEST_BYTES)).toString('hex');
}
