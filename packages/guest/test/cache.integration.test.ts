import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cachedDirectory } from '../src/cache.ts';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'godwit-guest-cache-'));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

test('builders that race all get one whole result and leave no draft', async () => {
  const build = (text: string) => cachedDirectory(cache, 'x', (draft) => writeFile(join(draft, 'f'), text));
  const paths = await Promise.all(['1', '2', '3', '4'].map(build));
  expect(new Set(paths)).toEqual(new Set([join(cache, 'x')]));
  expect(await readFile(join(cache, 'x', 'f'), 'utf8')).toMatch(/^[1-4]$/);
  expect(await readdir(cache)).toEqual(['x']);
});

test('a build that fails leaves nothing, and the next one starts again', async () => {
  const failing = cachedDirectory(cache, 'x', async (draft) => {
    await writeFile(join(draft, 'half'), '');
    throw new Error('no space');
  });
  await expect(failing).rejects.toThrow('no space');
  expect(await readdir(cache)).toEqual([]);
  await cachedDirectory(cache, 'x', (draft) => writeFile(join(draft, 'f'), 'whole'));
  expect(await readdir(join(cache, 'x'))).toEqual(['f']);
});
