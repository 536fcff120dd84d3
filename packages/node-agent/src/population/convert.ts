import { open, rm } from 'node:fs/promises';
import { GodwitError } from '@godwit/core/errors';
import { createSparseFileOnce, exists, publishFile } from '../host/files.ts';
import { runProgram } from '../host/programs.ts';
import { inspectImage } from '../images/inspect.ts';
import type { VolumeLocation } from '../volumes/location.ts';

export interface FillOptions {
  readonly location: VolumeLocation;
  /** Guest-visible size of the finished image. */
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
  readonly onPercent: (percent: number) => void;
  /** The image has been looked at and fits; from here on only the disk can fail it. */
  readonly onAccepted?: () => void;
}

/** Where an image is built before it gets its name; a leftover of a killed agent is simply overwritten. */
export function buildingPath(location: VolumeLocation): string {
  return `${location.image}.populating`;
}

/** An empty sparse image. A Block volume already is one. Existing bytes are kept. */
export async function fillBlank({ location, sizeBytes }: Pick<FillOptions, 'location' | 'sizeBytes'>): Promise<void> {
  if (await exists(location.image)) return;
  await createSparseFileOnce(location.image, sizeBytes);
}

/**
 * Copies an image of any accepted format into the volume as raw, thin, grown to the claim's size. The volume changes
 * only in the last step, atomically. Rejects with `IMAGE_TOO_LARGE` (numbers in the text) or `IMAGE_REFUSED`.
 */
export async function fillFromImage(image: string, options: FillOptions): Promise<void> {
  const { location, sizeBytes, signal, onPercent } = options;
  const info = await inspectImage(image);
  if (info.virtualSizeBytes > sizeBytes)
    throw new GodwitError(
      'IMAGE_TOO_LARGE',
      `the image has a virtual size of ${info.virtualSizeBytes} bytes, the claim holds ${sizeBytes} bytes`,
    );
  options.onAccepted?.();
  const building = buildingPath(location);
  await rm(building, { force: true });
  await runProgram('qemu-img', ['convert', '-p', '-f', info.format, '-O', 'raw', image, building], {
    signal,
    onOutput: (text) => {
      const percent = lastPercent(text);
      if (percent !== undefined) onPercent(percent);
    },
  });
  const handle = await open(building, 'r+');
  try {
    await handle.truncate(sizeBytes);
  } finally {
    await handle.close();
  }
  await publishFile(building, location.image);
}

/** Newest figure of qemu-img's progress line, `    (42.01/100%)\r`. */
export function lastPercent(text: string): number | undefined {
  const matches = [...text.matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)];
  const last = matches.at(-1)?.[1];
  return last === undefined ? undefined : Number(last);
}
