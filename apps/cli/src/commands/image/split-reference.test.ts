import { expect, it } from 'vitest';
import { splitReference } from './split-reference.ts';

const files = ['a=b/d.img', 'd.img'];
const exists = (file: string): boolean => files.includes(file);

it('takes the longest file that exists, whatever signs are in reference and file', () => {
  expect(splitReference('http://h/x?y=1=a=b/d.img', exists)).toEqual(['http://h/x?y=1', 'a=b/d.img']);
  expect(splitReference('quay.io/x=d.img', exists)).toEqual(['quay.io/x', 'd.img']);
});

it('names the file after the last sign when none exists', () => {
  expect(splitReference('x=y=z', exists)).toEqual(['x=y', 'z']);
});

it.each(['x', '=d.img', 'x='])('refuses %j', (text) => {
  expect(() => splitReference(text, exists)).toThrow(/is not REFERENCE=FILE/);
});
