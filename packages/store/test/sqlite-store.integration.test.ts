import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { openSqliteStore } from '../src/index.ts';
import { storeConformance } from '../src/testing/conformance.ts';

const directory = mkdtempSync(join(tmpdir(), 'store-test-'));
let files = 0;
const newPath = (): string => join(directory, `${++files}.sqlite`);
afterAll(() => rmSync(directory, { recursive: true }));

storeConformance('SQLite store', { open: (clock) => openSqliteStore(newPath(), { clock, initialRevision: 0 }) });

const key = (name: string) => ({ resource: 'things', namespace: 't', name });
const value = (name: string) => ({ metadata: { name, namespace: 't', uid: `uid-${name}` } });

describe('SQLite store on disk', () => {
  it('goes on after a restart: objects, revisions, history', async () => {
    const path = newPath();
    const first = openSqliteStore(path, { initialRevision: 10 });
    await first.write({ do: 'create', ...key('a'), value: value('a') });
    await first.write({ do: 'create', ...key('b'), value: value('b') });
    await first.write({ do: 'delete', ...key('b'), expected: 12 });
    await first.close();

    await using second = openSqliteStore(path);
    expect(second.revision).toBe(13);
    expect(second.list('things').items.map((entry) => entry.name)).toEqual(['a']);
    const seen: string[] = [];
    second.watch({ fromRevision: 11, onEvent: (event) => seen.push(`${event.type} ${event.name}`) });
    expect(seen).toEqual(['ADDED b', 'DELETED b']);
    expect((await second.write({ do: 'create', ...key('c'), value: value('c') })).revision).toBe(14);
  });

  it('begins a fresh store beyond every revision of an earlier one', async () => {
    await using store = openSqliteStore(newPath());
    expect(store.revision).toBeGreaterThan(1_700_000_000_000);
    expect(() => store.watch({ fromRevision: 1, onEvent: () => undefined })).toThrow(
      expect.objectContaining({ code: 'STORE_COMPACTED' }),
    );
  });

  it('loses no acknowledged write to kill -9', async () => {
    const path = newPath();
    const script = `
      import { openSqliteStore } from '@godwit/store';
      const store = openSqliteStore(process.argv[1], { initialRevision: 0 });
      for (let i = 0; ; i++) {
        const name = 'n' + i;
        const entry = await store.write({ do: 'create', resource: 'things', namespace: 't', name, value: { metadata: { name, namespace: 't' } } });
        process.stdout.write(entry.revision + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    let acknowledged = 0;
    for await (const text of createInterface({ input: child.stdout })) {
      acknowledged = Number(text);
      if (acknowledged === 200) child.kill('SIGKILL');
    }
    await exited;
    await using store = openSqliteStore(path);
    expect(acknowledged).toBeGreaterThanOrEqual(200);
    expect(store.revision).toBeGreaterThanOrEqual(acknowledged);
    expect(store.list('things').items).toHaveLength(store.revision);
  });
});
