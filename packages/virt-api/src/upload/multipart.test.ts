import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { boundaryOf, filePart } from './multipart.ts';

const image = Buffer.from('\r\n--boun not the end\r\n\0\xff--\r\n-', 'latin1');
const part = (name: string, content: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`--bound\r\nContent-Disposition: form-data; name="${name}"; filename="file"\r\nX: y\r\n\r\n`),
    content,
    Buffer.from('\r\n'),
  ]);
const form = Buffer.concat([
  part('other', Buffer.from('file')),
  part('file', image),
  part('late', Buffer.alloc(9)),
  Buffer.from('--bound--\r\n'),
]);

/** The body as it may arrive: in pieces of a size. */
function inPieces(body: Buffer, size: number): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) pieces.push(body.subarray(at, at + size));
  return Readable.from(pieces);
}

describe('the image in a form', () => {
  it.each([1, 2, 3, 7, 64, 10_000])('is found whatever way it arrives: pieces of %i bytes', async (size) => {
    expect(await buffer(filePart(inPieces(form, size), 'bound'))).toEqual(image);
  });

  it('may be empty', async () => {
    const empty = Buffer.concat([part('file', Buffer.alloc(0)), Buffer.from('--bound--\r\n')]);
    expect(await buffer(filePart(inPieces(empty, 5), 'bound'))).toEqual(Buffer.alloc(0));
  });

  it.each([
    ['missing', Buffer.concat([part('other', image), Buffer.from('--bound--\r\n')]), 'no part named "file"'],
    ['cut off', form.subarray(0, form.indexOf('not the end')), 'in the middle'],
    ['never there', Buffer.from('a disk image'), 'no part named "file"'],
  ])('is refused when %s', async (_, body, message) => {
    const body_ = inPieces(body, 16);
    await expect(buffer(filePart(body_, 'bound'))).rejects.toMatchObject({
      httpCode: 400,
      message: expect.stringContaining(message) as string,
    });
  });
});

it('reads the boundary of forms only', () => {
  expect(boundaryOf('multipart/form-data; boundary=xyz')).toBe('xyz');
  expect(boundaryOf('multipart/form-data; charset=utf-8; boundary="x y"')).toBe('x y');
  expect(boundaryOf('application/octet-stream')).toBeUndefined();
  expect(boundaryOf(undefined)).toBeUndefined();
});
