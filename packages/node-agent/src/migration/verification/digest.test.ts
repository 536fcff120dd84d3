import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  CHUNK_BYTES,
  chunkCount,
  chunksToRead,
  DIGEST_BYTES,
  diskDigest,
  emptyDigests,
  firstDifference,
} from './digest.ts';

const MiB = CHUNK_BYTES;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

describe('the chunks to read of a disk', () => {
  it.each([
    ['none of a disk that is one hole', [], 8 * MiB, []],
    ['all of a disk without holes', [{ start: 0, length: 3 * MiB }], 3 * MiB, [{ from: 0, until: 3 }]],
    ['whole chunks around a little data', [{ start: 2 * MiB + 4096, length: 512 }], 8 * MiB, [{ from: 2, until: 3 }]],
    ['both chunks that data reaches into', [{ start: 2 * MiB - 1, length: 2 }], 8 * MiB, [{ from: 1, until: 3 }]],
    ['the last chunk though it is short', [{ start: 2 * MiB, length: 512 }], 2 * MiB + 512, [{ from: 2, until: 3 }]],
    ['nothing behind the end that a guest sees', [{ start: 0, length: 9 * MiB }], 2 * MiB, [{ from: 0, until: 2 }]],
    ['nothing for an empty extent', [{ start: MiB, length: 0 }], 8 * MiB, []],
    [
      'a chunk once, though two extents are in it',
      [
        { start: MiB + 8192, length: 4096 },
        { start: MiB, length: 4096 },
      ],
      8 * MiB,
      [{ from: 1, until: 2 }],
    ],
    [
      'long extents in runs',
      [{ start: 0, length: 6 * MiB }],
      8 * MiB,
      [
        { from: 0, until: 4 },
        { from: 4, until: 6 },
      ],
    ],
  ])('are %s', (_what, extents, sizeBytes, runs) => {
    expect(chunksToRead(extents, sizeBytes, 4)).toEqual(runs);
  });
});

describe('digests', () => {
  it('of holes are those of the zeroes that a guest reads there, the short last chunk included', () => {
    const size = 2 * MiB + 512;
    expect(chunkCount(size)).toBe(3);
    const zeroes = sha256(Buffer.alloc(MiB));
    expect(emptyDigests(size)).toEqual(Buffer.concat([zeroes, zeroes, sha256(Buffer.alloc(512))]));
    expect(emptyDigests(512)).toEqual(sha256(Buffer.alloc(512)));
  });

  it('of a disk are the digest of its chunks, so their order counts', () => {
    const [one, other] = [sha256(Buffer.from('one')), sha256(Buffer.from('other'))];
    const disk = diskDigest(Buffer.concat([one, other]));
    expect(disk).toBe(sha256(Buffer.concat([one, other])).toString('hex'));
    expect(diskDigest(Buffer.concat([other, one]))).not.toBe(disk);
  });
});

describe('the first difference', () => {
  const source = emptyDigests(4 * MiB + 512);

  it('is none between equal disks', () => {
    expect(firstDifference(source, Buffer.from(source), 0, 4 * MiB + 512)).toBeUndefined();
  });

  it('has its offset in the disk, counted from the first of the chunks that are compared, and both digests', () => {
    const target = Buffer.from(source);
    target.fill(0xab, 2 * DIGEST_BYTES, 3 * DIGEST_BYTES);
    expect(firstDifference(source, target, 0, 4 * MiB + 512)).toEqual({
      offset: 2 * MiB,
      bytes: MiB,
      source: sha256(Buffer.alloc(MiB)).toString('hex'),
      target: 'ab'.repeat(DIGEST_BYTES),
    });
    const rest = (digests: Buffer) => digests.subarray(2 * DIGEST_BYTES);
    expect(firstDifference(rest(source), rest(target), 2, 4 * MiB + 512)?.offset).toBe(2 * MiB);
  });

  it('may be in the short last chunk', () => {
    const target = Buffer.from(source);
    target.fill(1, 4 * DIGEST_BYTES);
    expect(firstDifference(source, target, 0, 4 * MiB + 512)).toMatchObject({ offset: 4 * MiB, bytes: 512 });
  });

  it('is what one of them does not have at all', () => {
    expect(firstDifference(source, source.subarray(0, DIGEST_BYTES), 0, 4 * MiB + 512)?.offset).toBe(MiB);
    expect(firstDifference(source.subarray(0, DIGEST_BYTES), source, 0, 4 * MiB + 512)?.offset).toBe(MiB);
  });
});
