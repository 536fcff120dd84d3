import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fillBlank } from '../src/population/convert.ts';
import type { VolumeLocation } from '../src/volumes/location.ts';

it('a blank image that somebody has opened is never replaced, however many want to make it', async () => {
  const path = await mkdtemp(join(tmpdir(), 'node-agent-blank-'));
  try {
    const image = join(path, 'disk.img');
    const location: VolumeLocation = { pool: 'node', poolPath: path, path, image, mode: 'Filesystem' };
    let first: number | undefined;
    const make = async (): Promise<void> => {
      await fillBlank({ location, sizeBytes: 4096 });
      await using opened = await open(image, 'r+');
      const { ino } = await opened.stat();
      first ??= ino;
      expect(ino).toBe(first);
    };
    await Promise.all(Array.from({ length: 50 }, make));
    expect((await stat(image)).ino).toBe(first);
    expect((await stat(image)).size).toBe(4096);
    expect(await readdir(path)).toEqual(['disk.img']);
  } finally {
    await rm(path, { recursive: true });
  }
});
