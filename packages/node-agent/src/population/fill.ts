import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageStore } from '../images/registry.ts';
import { fillBlank, fillFromImage } from './convert.ts';
import type { FillOptions } from './convert.ts';
import type { FetchedSource } from './decide.ts';
import { download, downloadLimit, unpacked } from './download.ts';

export interface FillIo {
  readonly images: ImageStore;
  /** Where downloads rest until they are converted. */
  readonly scratch: string;
}

/** Share of the progress shown that a download takes; converting takes the rest. */
export const DOWNLOAD_SHARE = 0.7;

/** Fills a volume from its source. `name` keeps the scratch files of two claims apart. */
export async function fillVolume(source: FetchedSource, name: string, options: FillOptions, io: FillIo): Promise<void> {
  switch (source.kind) {
    case 'blank':
      return fillBlank(options);
    case 'registry':
      return fillFromImage(await io.images.containerDisk(source.reference, options.signal), options);
    case 'http': {
      const local = await io.images.file(source.url);
      if (local !== undefined) return fillFromImage(local, options);
      return fillFromUrl(source.url, join(io.scratch, `download-${name}`), options);
    }
  }
}

async function fillFromUrl(url: string, scratch: string, options: FillOptions): Promise<void> {
  const limitBytes = downloadLimit(options.sizeBytes);
  const { signal } = options;
  try {
    const onPercent = (percent: number): void => options.onPercent(percent * DOWNLOAD_SHARE);
    await download(url, scratch, { limitBytes, signal, onPercent });
    await fillFromScratch(scratch, options);
  } finally {
    await rm(scratch, { force: true });
  }
}

/** Fills from a file that came from outside and may be compressed, the second part of the work; the file stays. */
export async function fillFromScratch(scratch: string, options: FillOptions): Promise<void> {
  const plain = `${scratch}.plain`;
  try {
    const image = await unpacked(scratch, plain, downloadLimit(options.sizeBytes), options.signal);
    await fillFromImage(image, {
      ...options,
      onPercent: (percent) => options.onPercent(100 * DOWNLOAD_SHARE + percent * (1 - DOWNLOAD_SHARE)),
    });
  } finally {
    await rm(plain, { force: true });
  }
}
