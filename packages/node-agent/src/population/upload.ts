import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ObjectKey } from '@godwit/api';
import { countingLimit, downloadLimit } from './download.ts';
import { fillFromScratch } from './fill.ts';
import type { Populator } from './reconciler.ts';

/** Takes an uploaded image into the claim that waits for it. The claim is filled when this resolves. */
export async function receiveUpload(
  populator: Populator,
  scratch: string,
  key: ObjectKey,
  body: Readable,
): Promise<void> {
  // No name holds an underscore: two claims never share a file.
  const file = join(scratch, `upload-${key.namespace}_${key.name}`);
  await populator.upload(key, async (fill) => {
    try {
      const limit = countingLimit(downloadLimit(fill.sizeBytes), () => undefined);
      await pipeline(body, limit, createWriteStream(file, { mode: 0o600 }), { signal: fill.signal });
      await fillFromScratch(file, fill);
    } finally {
      await rm(file, { force: true });
    }
  });
}
