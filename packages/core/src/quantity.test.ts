import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytesQuantity, parseQuantity, quantityBytes, readQuantity, roughBytes } from './quantity.ts';

describe('quantities', () => {
  it.each([
    ['1Gi', 2 ** 30],
    ['1024Mi', 2 ** 30],
    ['500m', 0.5],
    ['1e3', 1000],
    ['1k', 1000],
    ['.5Gi', 2 ** 29],
    ['0', 0],
    ['12E', 12e18],
  ])('reads %s', (text, value) => expect(parseQuantity(text)).toBe(value));
  it.each(['', 'Gi', '1GiB', '1 Gi', 'abc', '--1'])('refuses %j', (text) => {
    expect(() => parseQuantity(text)).toThrow(expect.objectContaining({ code: 'QUANTITY_INVALID' }));
    expect(readQuantity(text)).toBeUndefined();
  });
  it.each([
    [0, '0'],
    [1023, '1000'],
    [2 ** 30, '1Gi'],
    [1.99 * 2 ** 40, '1Ti'],
    [861.4 * 2 ** 30, '860Gi'],
    [868.9 * 2 ** 30, '860Gi'],
    [25.7 * 2 ** 20, '25Mi'],
  ])('tells people of about %d bytes', (bytes, text) => expect(roughBytes(bytes)).toBe(text));
  it('prints bytes so that they read back equal', () => {
    fc.assert(
      fc.property(fc.nat(), (bytes) => {
        expect(quantityBytes(formatBytesQuantity(bytes))).toBe(bytes);
      }),
    );
  });
});
