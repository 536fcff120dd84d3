import { expect, test } from 'vitest';
import { cpio } from './cpio.ts';

const read = (archive: Buffer, at: number) => ({
  magic: archive.toString('latin1', at, at + 6),
  mode: Number.parseInt(archive.toString('latin1', at + 14, at + 22), 16),
  size: Number.parseInt(archive.toString('latin1', at + 54, at + 62), 16),
  nameSize: Number.parseInt(archive.toString('latin1', at + 94, at + 102), 16),
});
const round = (n: number) => Math.ceil(n / 4) * 4;

function list(archive: Buffer): { name: string; mode: number; content: string }[] {
  const found = [];
  for (let at = 0; ;) {
    const header = read(archive, at);
    expect(header.magic).toBe('070701');
    const name = archive.toString('latin1', at + 110, at + 110 + header.nameSize - 1);
    if (name === 'TRAILER!!!') return found;
    const start = round(at + 110 + header.nameSize);
    found.push({ name, mode: header.mode, content: archive.toString('latin1', start, start + header.size) });
    at = round(start + header.size);
  }
}

test('every member can be read back, whatever the lengths of its name and content', () => {
  const entries = ['', 'a', 'ab', 'abc', 'abcd'].map((content, i) => ({
    path: `f${'x'.repeat(i)}`,
    mode: 0o100644,
    content: Buffer.from(content),
  }));
  expect(list(cpio(entries)).map(({ name, content }) => [name, content])).toEqual(
    entries.map(({ path, content }) => [path, content.toString()]),
  );
});

test('a directory and a device have no content', () => {
  const archive = cpio([
    { path: 'dev', mode: 0o40755 },
    { path: 'dev/console', mode: 0o20600, device: { major: 5, minor: 1 } },
  ]);
  expect(list(archive)).toEqual([
    { name: 'dev', mode: 0o40755, content: '' },
    { name: 'dev/console', mode: 0o20600, content: '' },
  ]);
});

test('two archives of the same entries are equal', () => {
  const entries = [{ path: 'init', mode: 0o100755, content: Buffer.from('x') }];
  expect(cpio(entries).equals(cpio(entries))).toBe(true);
});
