import { expect, it } from 'vitest';
import { shellWord } from './output.ts';

it('quotes for shells only what needs it', () => {
  expect(shellWord('/a/b-c.d_e')).toBe('/a/b-c.d_e');
  expect(shellWord("/with space/and'quote")).toBe(String.raw`'/with space/and'\''quote'`);
  expect(shellWord('')).toBe("''");
});
