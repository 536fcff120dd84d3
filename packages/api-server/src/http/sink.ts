import { randomUUID } from 'node:crypto';
import type { AnyResponse } from './exchange.ts';

/** Larger single writes stall Node's HTTP/2 streams when the client's window is small. */
const CHUNK_BYTES = 1024 * 1024;

/** The writing side of a request, the same for HTTP/1.1 and HTTP/2. */
export class Sink {
  readonly #response: AnyResponse;
  readonly #extra: Record<string, string | string[]> = {};
  #closed = false;

  constructor(response: AnyResponse) {
    this.#response = response;
    response.once('close', () => (this.#closed = true));
    // A client that goes away in the middle of an answer is no fault of ours.
    response.on('error', () => (this.#closed = true));
  }

  get headersSent(): boolean {
    return this.#response.headersSent;
  }

  get closed(): boolean {
    return this.#closed;
  }

  setHeader(name: string, value: string | string[]): void {
    this.#extra[name] = value;
  }

  /** Sends status and headers at once, body to follow. */
  begin(code: number, contentType: string, warnings: readonly string[] = []): void {
    const headers: Record<string, string | string[]> = {
      'Audit-Id': randomUUID(),
      'Cache-Control': 'no-cache, private',
      'Content-Type': contentType,
      ...this.#extra,
    };
    if (warnings.length > 0) headers['Warning'] = [...new Set(warnings)].map((text) => `299 - ${quoted(text)}`);
    if (contentType === '') delete headers['Content-Type'];
    const response = this.#response;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.statusCode = code;
    if ('flushHeaders' in response) response.flushHeaders();
  }

  /** Sends a whole answer, in pieces the transport can take. */
  async send(
    code: number,
    contentType: string,
    body: string | Uint8Array,
    warnings?: readonly string[],
  ): Promise<void> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    if (bytes.length <= CHUNK_BYTES) this.#extra['Content-Length'] = String(bytes.length);
    this.begin(code, contentType, warnings);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      if (!this.write(bytes.subarray(at, at + CHUNK_BYTES))) await this.drained();
    }
    this.end();
  }

  /** Returns false when the transport's buffer is full; wait for `drained` then. */
  write(chunk: string | Uint8Array): boolean {
    if (this.#closed) return true;
    const response = this.#response as { write(chunk: string | Uint8Array): boolean };
    return response.write(chunk);
  }

  /** Resolves when the transport takes more, or is gone. */
  drained(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#response.off('drain', done);
        this.#response.off('close', done);
        resolve();
      };
      this.#response.on('drain', done);
      this.#response.on('close', done);
    });
  }

  end(): void {
    if (!this.#closed) this.#response.end();
  }

  /** Ends without the niceties: the client sees a broken stream and comes again. */
  abort(): void {
    this.#response.destroy();
  }
}

/** A quoted-string of ASCII; Go clients drop anything else. */
function quoted(text: string): string {
  const ascii = text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, String.raw`\$&`);
  return `"${ascii}"`;
}
