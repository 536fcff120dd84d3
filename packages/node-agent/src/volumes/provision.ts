import { mkdir, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PersistentVolume } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { quantityBytes } from '@godwit/core/quantity';
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
      `the ${at.pool} pool has ${free} bytes free, ${capacity} bytes (${pv.spec.capacity.storage}) are asked for`,
      { details: { free, capacity }, retry: 'backoff' },
    );
  if (at.mode === 'Filesystem') return void (await mkdir(at.path, { recursive: true, mode: 0o700 }));
  await mkdir(dirname(at.path), { recursive: true, mode: 0o700 });
  const temporary = `${at.path}.new`;
  await createSparseFile(temporary, capacity);
  await publishFile(temporary, at.path);
}

/** Grows a Block volume's file; a Filesystem volume has no size of its own. Never shrinks. Idempotent. */
export async function expandVolume(at: VolumeLocation, to: string): Promise<void> {
  const wanted = quantityBytes(to);
  const have = await fileSize(at.path);
  if (at.mode === 'Filesystem' || have === undefined || have >= wanted) return;
  await truncate(at.path, wanted);
}

/** Deletes a volume's bytes, temporary files of a broken population included. Idempotent. */
export async function deleteVolume(at: VolumeLocation): Promise<void> {
  for (const path of [at.path, `${at.path}.new`, `${at.path}.populating`]) await removeDurably(path);
}

/** Guest-visible size of a claim's image: the smaller of request and capacity, in whole MiB for an image file. */
export function imageSizeBytes(mode: 'Filesystem' | 'Block', capacity: string, request: string | undefined): number {
  const bytes = quantityBytes(capacity);
  if (mode === 'Block') return bytes;
  const usable = request === undefined ? bytes : Math.min(bytes, quantityBytes(request));
  return Math.floor(usable / 2 ** 20) * 2 ** 20;
}
