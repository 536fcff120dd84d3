import { mkdir, open, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { usableBytes } from '@godwit/api';
import type { PersistentVolume } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { quantityBytes, roughBytes } from '@godwit/core/quantity';
import { createSparseFile, fileSize, freeBytes, publishFile, removeDurably } from '../host/files.ts';
import type { VolumeLocation } from './location.ts';

/**
 * Makes an empty volume: a directory, or a sparse file of exactly the capacity. Idempotent; existing bytes are kept.
 * Rejects with `VOLUME_NO_SPACE` (numbers in the text) when the pool cannot hold the volume once it is full.
 */
export async function provisionVolume(pv: PersistentVolume, at: VolumeLocation): Promise<void> {
  const capacity = quantityBytes(pv.spec.capacity.storage);
  await mkdir(at.poolPath, { recursive: true, mode: 0o700 });
  if ((await fileSize(at.path)) !== undefined) return;
  const free = await freeBytes(at.poolPath);
  if (capacity > free)
    throw new GodwitError(
      'VOLUME_NO_SPACE',
      `the ${at.pool} pool has about ${roughBytes(free)} free, ${pv.spec.capacity.storage} are asked for`,
      { details: { free, capacity }, retry: 'backoff' },
    );
  if (at.mode === 'Filesystem') return void (await mkdir(at.path, { recursive: true, mode: 0o700 }));
  await mkdir(dirname(at.path), { recursive: true, mode: 0o700 });
  const temporary = `${at.path}.new`;
  await createSparseFile(temporary, capacity);
  await publishFile(temporary, at.path);
}

/**
 * Grows a Block volume's file. A Filesystem volume has no size of its own: its image grows when a copy needs the room, see
 * `growImage`. Never shrinks. Idempotent.
 */
export async function expandVolume(at: VolumeLocation, to: string): Promise<void> {
  const wanted = quantityBytes(to);
  const have = await fileSize(at.path);
  if (at.mode === 'Filesystem' || have === undefined || have >= wanted) return;
  await truncate(at.path, wanted);
}

/** Makes an image file as big as its claim allows, thin; its bytes stay. Resolves with its size. */
export async function growImage(image: { readonly image: string; readonly sizeBytes: number }): Promise<number> {
  await using file = await open(image.image, 'r+');
  await file.truncate(image.sizeBytes);
  await file.sync();
  return image.sizeBytes;
}

/** Deletes a volume's bytes, temporary files of a broken population included. Idempotent. */
export async function deleteVolume(at: VolumeLocation): Promise<void> {
  for (const path of [at.path, `${at.path}.new`, `${at.path}.populating`]) await removeDurably(path);
}

/** Size of the image that a claim of this node is to have: what the controllers reckon with, too. */
export function imageSizeBytes(
  volumeMode: 'Filesystem' | 'Block',
  storage: string,
  request: string | undefined,
): number {
  const requests = request === undefined ? {} : { requests: { storage: request } };
  return usableBytes({ volumeMode, capacity: { storage }, ...requests }) ?? 0;
}
