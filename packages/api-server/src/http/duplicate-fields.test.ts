import { expect, it } from 'vitest';
import { duplicateFields } from './duplicate-fields.ts';

it.each<[string, string[]]>([
  ['{"a":1,"b":{"a":1}}', []],
  ['{"a":1,"a":2}', ['a']],
  ['{"x":{"a":"a","a":{"a":1}}}', ['x.a']],
  ['{"x":[1,"y",{"k":1},{"k":1,"j":2,"k":[]}],"x":{}}', ['x[3].k', 'x']],
  [String.raw`{"a":"\",\"a\":{","\u0061":1,"b\\":1,"b\\":2}`, ['a', 'b\\']],
  ['"text"', []],
  ['[]', []],
])('finds what %s repeats', (text, expected) => {
  expect(duplicateFields(text)).toEqual(expected);
});

it('reads long texts', () => {
  const text = 'x'.repeat(2_000_000);
  expect(duplicateFields(JSON.stringify({ a: text, b: `${text}"` }).replace('"b"', '"a"'))).toEqual(['a']);
});
