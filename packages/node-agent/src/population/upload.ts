import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ObjectKey } from '@godwit/api';
import { GodwitError, isGodwitError } from '@godwit/core/errors';
import type { FillOptions } from './convert.ts';
import { countingLimit, downloadLimit } from './download.ts';
import { DOWNLOAD_SHARE, fillFromScratch } from './fill.ts';
import type { Populator } from './reconciler.ts';

const IDLE_MS = 60_000;

export interface Upload {
  readonly body: Readable;
  /** As announced; absent when the client does not know. */
  readonly lengthBytes?: number | undefined;
  /** How long nothing may arrive before the upload counts as broken off. Default 60 s. */
  readonly idleMs?: number;
  /** Whether the sender is answered as soon as the image has arrived and was found to fit, before it is copied. */
  readonly background: boolean;
}

/**
 * Takes an uploaded image into the claim that waits for it. After any failure the claim waits for another upload, and `body`
 * can still be answered. Rejects with `UPLOAD_REFUSED`, `UPLOAD_BUSY`, `UPLOAD_INCOMPLETE`, `IMAGE_TOO_LARGE` or
 * `IMAGE_REFUSED`.
 */
export async function receiveUpload(
  populator: Populator,
  scratch: string,
  key: ObjectKey,
  upload: Upload,
): Promise<void> {
  const accepted = Promise.withResolvers<void>();
  // No name holds an underscore: two claims never share a file.
  const file = join(scratch, `upload-${key.namespace}_${key.name}`);
  const filled = populator.upload(key, async (fill) => {
    try {
      await receive(upload, file, fill);
      await fillFromScratch(file, { ...fill, onAccepted: accepted.resolve });
    } finally {
      await rm(file, { force: true });
    }
  });
  if (!upload.background) return filled;
  // What becomes of the copy is told by the claim.
  filled.catch(() => undefined);
  await Promise.race([accepted.promise, filled]);
}

async function receive(
  { body, lengthBytes = 0, idleMs = IDLE_MS }: Upload,
  file: string,
  fill: FillOptions,
): Promise<void> {
  const limitBytes = downloadLimit(fill.sizeBytes);
  if (lengthBytes > limitBytes)
    throw new GodwitError(
      'IMAGE_TOO_LARGE',
      `the upload has ${lengthBytes} bytes, more than a claim of ${fill.sizeBytes} bytes can hold`,
    );
  let received = 0;
  // A sender that has gone without a word must not keep the claim from another one.
  const idle = setTimeout(() => body.destroy(), idleMs);
  const limit = countingLimit(limitBytes, (total) => {
    received = total;
    idle.refresh();
    if (lengthBytes > 0) fill.onPercent((100 * DOWNLOAD_SHARE * total) / lengthBytes);
  });
  // The request itself outlives a failure: its sender is still to be told.
  const source = Readable.from(body.iterator({ destroyOnReturn: false }), { objectMode: false });
  try {
    await pipeline(source, limit, createWriteStream(file, { mode: 0o600 }), { signal: fill.signal });
    // Taken for a raw image, it would be a disk of zeros.
    if (received === 0) throw new GodwitError('IMAGE_REFUSED', 'the upload is empty');
  } catch (cause) {
    if (fill.signal.aborted) body.destroy();
    if (isGodwitError(cause) || !(body.destroyed || body.errored)) throw cause;
    throw new GodwitError('UPLOAD_INCOMPLETE', `the upload broke off after ${received} bytes; send it again`, {
      cause,
      retry: 'backoff',
    });
  } finally {
    clearTimeout(idle);
  }
}
