import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeDurably } from '../src/host/files.ts';
import { createMachineRecords } from '../src/launcher/record.ts';
import { listJournals } from '../src/migration/journal.ts';
import { createMoveRecords } from '../src/moves/record.ts';

it('of many writes of one file at once the last one is there, whole, and nothing else', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'node-agent-files-'));
  try {
    const file = join(directory, 'record.json');
    const lengths = Array.from({ length: 30 }, (_, index) => 5000 - index * 150);
    await Promise.all(lengths.map(async (length) => writeDurably(file, JSON.stringify('x'.repeat(length)))));
    expect(JSON.parse(await readFile(file, 'utf8'))).toHaveLength(lengths.at(-1) ?? 0);
    expect(await readdir(directory)).toEqual(['record.json']);
  } finally {
    await rm(directory, { recursive: true });
  }
});

it('a write that fails does not keep the next one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'node-agent-files-'));
  const file = join(directory, 'gone', 'record.json');
  try {
    const failed = writeDurably(file, 'one');
    const failedToo = writeDurably(file, 'two');
    await expect(failed).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(failedToo).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(writeDurably(join(directory, 'record.json'), 'three')).resolves.toBeUndefined();
  } finally {
    await rm(directory, { recursive: true });
  }
});

it('a directory that cannot be read is not one that holds nothing: what was begun is not forgotten', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'node-agent-files-'));
  const file = join(directory, 'journal');
  try {
    expect(await listJournals(file)).toEqual([]);
    await writeDurably(file, 'in its place');
    await expect(listJournals(file)).rejects.toMatchObject({ code: 'ENOTDIR' });
    const machines = createMachineRecords(file);
    await expect(machines.list()).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(createMoveRecords(machines, file).list()).rejects.toMatchObject({ code: 'ENOTDIR' });
  } finally {
    await rm(directory, { recursive: true });
  }
});
