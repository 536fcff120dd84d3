import { describe, expect, it } from 'vitest';
import {
  bitsOf,
  contextTag,
  element,
  fromPem,
  objectIdentifier,
  readElement,
  readInside,
  sequence,
  tags,
  time,
  toPem,
} from './der.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('writing', () => {
  it.each([
    ['1.2.840.113549.1.9.14', '06 09 2a864886f70d01090e'],
    ['2.5.29.17', '06 03 551d11'],
    ['1.3.6.1.5.5.7.3.1', '06 08 2b06010505070301'],
  ])('object identifier %s', (dotted, expected) => {
    expect(objectIdentifier(dotted)).toEqual(hex(expected));
  });

  it.each([
    [0x7f, '04 7f'],
    [0x80, '04 81 80'],
    [0xff, '04 81 ff'],
    [0x100, '04 82 0100'],
  ])('lengths around %i', (length, head) => {
    const written = element(tags.octetString, Buffer.alloc(length));
    expect(written.subarray(0, written.length - length)).toEqual(hex(head));
    expect(readElement(written).content).toHaveLength(length);
  });

  it.each([
    ['2049-12-31T23:59:59.999Z', tags.utcTime, '491231235959Z'],
    ['2050-01-01T00:00:00.000Z', tags.generalizedTime, '20500101000000Z'],
  ])('time %s', (at, tag, text) => {
    const { tag: read, content } = readElement(time(new Date(at)));
    expect([read, content.toString()]).toEqual([tag, text]);
  });

  it('PEM, and back', () => {
    const bytes = Buffer.from(Array.from({ length: 200 }, (_, index) => index));
    const text = toPem('THING', bytes);
    expect(text.split('\n').every((line) => line.length <= 64)).toBe(true);
    expect(fromPem('THING', `before\n${text}after`)).toEqual(bytes);
  });
});

describe('reading', () => {
  it('gives back what was written', () => {
    const written = sequence(
      element(contextTag(0, 'constructed'), objectIdentifier('2.5.4.3')),
      element(tags.bitString, Buffer.of(0, 1, 2)),
    );
    const [first, second] = readInside(readElement(written), tags.sequence);
    expect(first?.tag).toBe(0xa0);
    expect(readInside(first, 0xa0)[0]?.whole).toEqual(objectIdentifier('2.5.4.3'));
    expect(bitsOf(second)).toEqual(Buffer.of(1, 2));
  });

  it.each([
    ['nothing at all', ''],
    ['only a tag', '30'],
    ['less than it says', '30 03 0500'],
    ['more than one element', '0500 0500'],
    ['the end inside a length', '30 82 01'],
    ['an unlimited length', '30 80 0500 0000'],
    ['a length of three bytes', '30 83 000002 0500'],
    ['a length that is longer than it need be', '30 81 02 0500'],
    ['a tag of several bytes', '1f 81 01 00'],
  ])('refuses %s', (_what, bytes) => {
    expect(() => readElement(hex(bytes))).toThrow(expect.objectContaining({ code: 'LINK_CERTIFICATE_MALFORMED' }));
  });

  it('refuses another tag, another label and unused bits', () => {
    const malformed = expect.objectContaining({ code: 'LINK_CERTIFICATE_MALFORMED' });
    expect(() => readInside(readElement(hex('3100')), tags.sequence)).toThrow(malformed);
    expect(() => readInside(undefined, tags.sequence)).toThrow(malformed);
    expect(() => bitsOf(readElement(hex('03 02 07 80')))).toThrow(malformed);
    expect(() => fromPem('CERTIFICATE', toPem('CERTIFICATE REQUEST', hex('0500')))).toThrow(malformed);
  });
});
