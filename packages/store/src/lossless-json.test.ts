import { describe, expect, it } from 'vitest';
import { parseJson, stringifyJson } from './lossless-json.ts';

describe('lossless JSON', () => {
  it.each([
    '{"a":9223372036854775807,"b":[-9007199254740993,1]}',
    '{"a":"9223372036854775807","b":1.5,"c":null}',
    '123456789012345678901234567890',
  ])('gives %s back', (text) => {
    expect(stringifyJson(parseJson(text))).toBe(text);
  });

  it('keeps ordinary numbers ordinary', () => {
    expect(parseJson('{"a":9007199254740991,"uid":"0000000000000000","b":1e300,"c":0.1234567890123456}')).toEqual({
      a: Number.MAX_SAFE_INTEGER,
      uid: '0000000000000000',
      b: 1e300,
      c: 0.1234567890123456,
    });
  });

  it('indents', () => {
    expect(stringifyJson({ a: 2n ** 64n }, 2)).toBe('{\n  "a": 18446744073709551616\n}');
  });

  it('hides no other error', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(() => stringifyJson(loop)).toThrow(TypeError);
    expect(() => parseJson('{1234567890123456789')).toThrow(SyntaxError);
  });
});
