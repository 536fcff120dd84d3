import { Readable } from 'node:stream';
import { badRequest } from '../refuse.ts';

const MAX_HEADER_BYTES = 16 * 1024;

/** The boundary of a `multipart/form-data` body; undefined for bodies of other types. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  const match = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;]{1,70}))/i.exec(contentType ?? '');
  return match?.[1] ?? match?.[2];
}

/**
 * The contents of the part named `file`, as they come; parts before it are dropped. Fails with a 400 ApiError when there is
 * none or it does not end. `body` itself outlives a failure.
 */
export function filePart(body: Readable, boundary: string): Readable {
  return Readable.from(contents(body, Buffer.from(`\r\n--${boundary}`)), { objectMode: false });
}

async function* contents(body: Readable, delimiter: Buffer): AsyncGenerator<Buffer> {
  // The first delimiter has no line before it; with this one it looks like all others.
  let held: Buffer = Buffer.from('\r\n');
  let inFile = false;
  let inHeaders = false;
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    // The cast is safe: request bodies have no encoding.
    held = Buffer.concat([held, chunk as Buffer]);
    for (;;) {
      if (inHeaders) {
        if (held.subarray(0, 2).toString() === '--') throw badRequest('the form has no part named "file"');
        const end = held.indexOf('\r\n\r\n');
        if (end < 0 && held.length > MAX_HEADER_BYTES) throw badRequest('a part of the form has too long a header');
        if (end < 0) break;
        inFile = isFile(held.subarray(0, end).toString());
        // One line break stays: an empty part is followed by its delimiter at once.
        held = held.subarray(end + 4);
        inHeaders = false;
      }
      const at = held.indexOf(delimiter);
      const safe = at < 0 ? Math.max(0, held.length - delimiter.length) : at;
      if (inFile && safe > 0) yield held.subarray(0, safe);
      if (at < 0) {
        held = held.subarray(safe);
        break;
      }
      if (inFile) return;
      held = held.subarray(at + delimiter.length);
      inHeaders = true;
    }
  }
  throw badRequest(inFile ? 'the form ends in the middle of its part "file"' : 'the form has no part named "file"');
}

function isFile(header: string): boolean {
  return /^content-disposition:\s*form-data\b.*;\s*name="?file"?\s*(?:;|$)/im.test(header);
}
