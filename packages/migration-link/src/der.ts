import { linkError } from './errors.ts';

/** Tags of the few forms of DER (X.690) that certificates and their requests are made of. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;

/** Tag of a member that is told from others by its number; constructed when it holds whole elements. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return CONTEXT + (form === 'constructed' ? CONSTRUCTED : 0) + number;
}

/** One element that was read. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly whole: Buffer;
}

/** One element whose content is the given parts, one after the other. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => element(tags.sequence, ...parts);

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  return element(tags.objectIdentifier, Buffer.from([first * 40 + second, ...others.flatMap(base128)]));
}

/** A bit string of whole bytes. */
export const bitString = (bytes: Uint8Array): Buffer => element(tags.bitString, Buffer.of(0), bytes);

/** As RFC 5280 (4.1.2.5) wants it: two digits for years before 2050, four after. */
export function time(at: Date): Buffer {
  const digits = `${at.toISOString().slice(0, 19).replaceAll(/\D/g, '')}Z`;
  return at.getUTCFullYear() < 2050
    ? element(tags.utcTime, Buffer.from(digits.slice(2)))
    : element(tags.generalizedTime, Buffer.from(digits));
}

/** The one element that these bytes are. Throws LINK_CERTIFICATE_MALFORMED. */
export function readElement(bytes: Buffer): Element {
  const [only, ...others] = readElements(bytes);
  if (only === undefined || others.length > 0) throw malformed(`${1 + others.length} elements where one is expected`);
  return only;
}

/** The elements that follow each other in these bytes. Throws LINK_CERTIFICATE_MALFORMED. */
export function readElements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = readAt(bytes, at);
    found.push(next);
    at += next.whole.length;
  }
  return found;
}

/** The elements inside of one, which must have this tag. Throws LINK_CERTIFICATE_MALFORMED. */
export function readInside(outer: Element | undefined, tag: number): Element[] {
  return readElements(contentOf(outer, tag));
}

/** The content of an element that must be there and have this tag. Throws LINK_CERTIFICATE_MALFORMED. */
export function contentOf(found: Element | undefined, tag: number): Buffer {
  if (found?.tag !== tag) throw malformed(`tag ${found?.tag ?? 'none'} where ${tag} is expected`);
  return found.content;
}

/** The bytes of a bit string that has no unused bits. Throws LINK_CERTIFICATE_MALFORMED. */
export function bitsOf(found: Element | undefined): Buffer {
  const content = contentOf(found, tags.bitString);
  if (content[0] !== 0) throw malformed('a bit string with unused bits');
  return content.subarray(1);
}

/** The content of a PEM text. Throws LINK_CERTIFICATE_MALFORMED when it is none, or another label's. */
export function fromPem(label: string, text: string): Buffer {
  const [, base64] = new RegExp(`-----BEGIN ${label}-----([^-]+)-----END ${label}-----`).exec(text) ?? [];
  if (base64 === undefined) throw malformed(`no ${label} in PEM`);
  return Buffer.from(base64, 'base64');
}

export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function readAt(bytes: Buffer, start: number): Element {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw malformed('it ends inside an element');
  if ((tag & 0x1f) === 0x1f) throw malformed('a tag of several bytes');
  const lengthOfLength = first < 0x80 ? 0 : first - 0x80;
  // No certificate is larger than 64 KiB, and DER knows no unlimited length.
  if (first === 0x80 || lengthOfLength > 2) throw malformed('a length beyond all measure');
  const begin = start + 2 + lengthOfLength;
  if (begin > bytes.length) throw malformed('it ends inside an element');
  const length = lengthOfLength === 0 ? first : bytes.readUIntBE(start + 2, lengthOfLength);
  if (begin + length > bytes.length) throw malformed('it ends inside an element');
  if (lengthBytes(length).length !== 1 + lengthOfLength) throw malformed('a length that is longer than it need be');
  return { tag, content: bytes.subarray(begin, begin + length), whole: bytes.subarray(start, begin + length) };
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  if (length > 0xffff) throw malformed('an element of more than 64 KiB');
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}

function malformed(what: string): Error {
  return linkError('LINK_CERTIFICATE_MALFORMED', `This is no certificate and no request for one: ${what}`);
}
