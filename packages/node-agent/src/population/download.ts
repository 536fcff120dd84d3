import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';
import { GodwitError, isGodwitError } from '@godwit/core/errors';

/** An image file larger than this cannot fit the claim whatever its format. */
export function downloadLimit(claimBytes: number): number {
  return Math.ceil(claimBytes * 1.1) + 64 * 2 ** 20;
}

function tooLarge(limit: number): GodwitError<'IMAGE_TOO_LARGE'> {
  return new GodwitError('IMAGE_TOO_LARGE', `the download exceeds ${limit} bytes, more than the claim can hold`);
}

/** Passes bytes on, counts them, and fails the pipeline beyond `limit`. */
export function countingLimit(limit: number, onBytes: (total: number) => void): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      onBytes(total);
      if (total > limit) done(tooLarge(limit));
      else done(null, chunk);
    },
  });
}

/** Streams a URL into a file. Rejects with `DOWNLOAD_FAILED` (retry: backoff) or `IMAGE_TOO_LARGE`. */
export async function download(
  url: string,
  to: string,
  options: { readonly limitBytes: number; readonly signal: AbortSignal; readonly onPercent: (percent: number) => void },
): Promise<void> {
  let reply: Response;
  try {
    reply = await fetch(url, { signal: options.signal, redirect: 'follow' });
  } catch (cause) {
    throw new GodwitError('DOWNLOAD_FAILED', `${url} cannot be reached`, { cause, retry: 'backoff' });
  }
  if (!reply.ok || reply.body === null) {
    const retry = reply.status >= 500 || reply.status === 429 ? 'backoff' : 'never';
    throw new GodwitError('DOWNLOAD_FAILED', `${url} answered ${reply.status} ${reply.statusText}`, { retry });
  }
  const announced = Number(reply.headers.get('content-length') ?? 0);
  if (announced > options.limitBytes) throw tooLarge(options.limitBytes);
  const counter = countingLimit(options.limitBytes, (total) => {
    if (announced > 0) options.onPercent(Math.min(100, (100 * total) / announced));
  });
  // The cast is safe: Node's fetch hands out the web stream that Readable.fromWeb takes.
  const body = Readable.fromWeb(reply.body as ReadableStream<Uint8Array>);
  try {
    await pipeline(body, counter, createWriteStream(to, { mode: 0o600 }), { signal: options.signal });
  } catch (cause) {
    if (isGodwitError(cause) || options.signal.aborted) throw cause;
    throw new GodwitError('DOWNLOAD_FAILED', `the download of ${url} broke off`, { cause, retry: 'backoff' });
  }
}

async function startsWith(path: string, magic: readonly number[]): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const head = Buffer.alloc(magic.length);
    const { bytesRead } = await handle.read(head, 0, magic.length, 0);
    return bytesRead === magic.length && magic.every((byte, index) => head[index] === byte);
  } finally {
    await handle.close();
  }
}

/** Unpacks a gzip file into `to`; resolves with the file to use, which is `path` itself when it is not compressed. */
export async function unpacked(path: string, to: string, limitBytes: number, signal: AbortSignal): Promise<string> {
  if (await startsWith(path, [0xfd, 0x37, 0x7a, 0x58, 0x5a]))
    throw new GodwitError('IMAGE_REFUSED', 'xz images are not unpacked here; unpack it first (unxz)');
  if (!(await startsWith(path, [0x1f, 0x8b]))) return path;
  const source = (await open(path, 'r')).createReadStream();
  const sink: Writable = createWriteStream(to, { mode: 0o600 });
  await pipeline(
    source,
    createGunzip(),
    countingLimit(limitBytes, () => undefined),
    sink,
    { signal },
  );
  return to;
}
