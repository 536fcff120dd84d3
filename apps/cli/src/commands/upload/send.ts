import { createReadStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import type { ImageFile } from './image-file.ts';

export interface Door {
  /** The upload proxy, as CDIConfig names it. */
  readonly url: string;
  readonly caPem: string;
}

export type Sent =
  /** `code` 200: the claim is filled. */
  | { readonly is: 'answered'; readonly code: number; readonly text: string }
  /** No answer; `whole` says whether the image had been sent to its end. */
  | { readonly is: 'broken'; readonly whole: boolean; readonly error: Error };

/** Sends an image once. Rejects only when `signal` aborts. */
export async function sendImage(
  image: ImageFile,
  token: string,
  door: Door,
  { signal, onBytes }: { readonly signal: AbortSignal; readonly onBytes: (sent: number) => void },
): Promise<Sent> {
  // Kept alive: a connection that is to close takes an early answer with it.
  const connection = new Agent({ keepAlive: true });
  const request = httpsRequest(new URL('/v1beta1/upload', door.url), {
    method: 'POST',
    ca: door.caPem,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/octet-stream',
      'content-length': image.lengthBytes,
    },
    agent: connection,
    signal,
  });
  // The length was announced: a file that grows meanwhile is sent as it was.
  const file = createReadStream(image.path, { end: image.lengthBytes - 1, highWaterMark: 1024 * 1024 });
  let read = 0;
  file.on('data', (chunk) => onBytes((read += chunk.length)));
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request.once('response', resolve);
  request.once('error', reject);
  file.once('error', reject);
  file.pipe(request);
  try {
    const response = await promise;
    file.unpipe(request);
    return { is: 'answered', code: response.statusCode ?? 0, text: (await text(response)).trim() };
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error : new Error(String(error));
    return { is: 'broken', whole: file.readableEnded && request.writableFinished, error: reason };
  } finally {
    file.destroy();
    request.destroy();
    connection.destroy();
  }
}
