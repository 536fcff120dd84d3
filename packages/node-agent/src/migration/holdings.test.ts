import { describe, expect, it } from 'vitest';
import type { Machine, MirrorProgress } from '@godwit/hypervisor';
import { silentLogger } from '@godwit/core/logger';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endedWith, holdingsNow } from './holdings.ts';
import type { Holdings } from './holdings.ts';
import { startInPlace } from './in-place.ts';
import { openJournal } from './journal.ts';
import type { DiskMove } from './mirror-in-sync.ts';

const backing = (name: string, path: string) => ({
  name,
  path,
  format: 'raw' as const,
  driver: 'file' as const,
  readOnly: false,
});
const move = (name: string): DiskMove => ({
  name,
  sizeBytes: 1,
  from: backing(name, `/old/${name}`),
  to: backing(name, `/new/${name}`),
});
const inSync = (disk: string, more: Partial<MirrorProgress> = {}): MirrorProgress => ({
  disk,
  bytesTotal: 1,
  bytesDone: 1,
  ready: true,
  nospace: false,
  ...more,
});

describe('where the writes of a moving disk are', () => {
  it.each<[string, string, MirrorProgress[], string]>([
    ['pivoted', '/new/a', [], 'to'],
    ['in sync', '/old/a', [inSync('a')], 'both'],
    ['still copied', '/old/a', [inSync('a', { ready: false })], 'from'],
    ['without a mirror', '/old/a', [], 'from'],
    ['with a failed mirror', '/old/a', [inSync('a', { error: 'EIO' })], 'from'],
    ['with a full target', '/old/a', [inSync('a', { nospace: true })], 'from'],
  ])('%s', (_, path, mirrors, holder) =>
    expect(holdingsNow([move('a')], [backing('a', path)], mirrors)).toEqual({ a: holder }),
  );

  it.each<[Holdings, 'all' | string[]]>([
    [{ a: 'both', b: 'both' }, 'all'],
    [{ a: 'to', b: 'both' }, 'all'],
    [{ a: 'from', b: 'both' }, []],
    [{ a: 'to', b: 'from' }, ['a']],
  ])('%j ends on %j', (holdings, moved) => expect(endedWith(holdings)).toEqual({ moved }));
});

/** Two disks; `b` cannot be pivoted, so copies are begun anew, and QEMU dies in the middle of the `fatal`th of them. */
function dyingMachine(fatal: number): Machine {
  const on = new Map([
    ['a', '/old/a'],
    ['b', '/old/b'],
  ]);
  const mirrors = new Map<string, MirrorProgress>();
  let copies = 0;
  let gone = false;
  const alive = <T>(value: T): Promise<T> => (gone ? Promise.reject(new Error('gone')) : Promise.resolve(value));
  // The cast is safe: a move in place uses these members only.
  return {
    directory: '/nowhere',
    state: async () => (gone ? 'gone' : 'running'),
    onEvent: () => () => undefined,
    backings: () => alive([...on].map(([name, path]) => backing(name, path))),
    mirrors: () => alive([...mirrors.values()]),
    startMirror: (disk: string) => {
      copies += 1;
      gone = copies === 2 + fatal;
      mirrors.set(disk, inSync(disk, { ready: !gone }));
      return alive(undefined);
    },
    cancelMirror: (disk: string) => {
      mirrors.delete(disk);
      return alive(undefined);
    },
    pivotMirror: (disk: string) => {
      mirrors.delete(disk);
      if (disk === 'b') return Promise.reject(new Error('EIO'));
      on.set('a', on.get('a') === '/new/a' ? '/old/a' : '/new/a');
      return alive(undefined);
    },
  } as unknown as Machine;
}

describe('a move in place whose QEMU dies while a disk is copied once more', () => {
  // The first copy anew is the second try of `b`, the second brings `a` back.
  it.each([1, 2])(
    'is not told as a success, and names what is whole on its new volume only (copy %i)',
    async (fatal) => {
      const journalDir = mkdtempSync(join(tmpdir(), 'node-agent-holdings-'));
      try {
        const identity = { id: 'm', namespace: 'ns', name: 'vm' };
        const work = startInPlace({
          identity,
          configuration: {},
          journalDir,
          log: silentLogger,
          machine: dyingMachine(fatal),
          disks: [move('a'), move('b')],
        });
        await expect(work.done).resolves.toMatchObject({ result: 'failed', moved: ['a'] });
        const record = await openJournal(journalDir, 'm', 'in-place').readRecord();
        expect(record).toMatchObject({ record: 'failed', moved: ['a'] });
      } finally {
        rmSync(journalDir, { recursive: true });
      }
    },
  );
});

it('a disk whose copy can neither be finished nor cancelled is still on its old volume', async () => {
  const journalDir = mkdtempSync(join(tmpdir(), 'node-agent-holdings-'));
  try {
    // The cast is safe: a move in place uses these members only.
    const machine = {
      directory: '/nowhere',
      state: async () => 'running',
      onEvent: () => () => undefined,
      backings: async () => [backing('a', '/old/a')],
      mirrors: async () => [inSync('a', { error: 'EIO' })],
      startMirror: async () => undefined,
      cancelMirror: () => Promise.reject(new Error('stuck')),
    } as unknown as Machine;
    const identity = { id: 'm', namespace: 'ns', name: 'vm' };
    const common = { identity, configuration: {}, journalDir, log: silentLogger };
    const work = startInPlace({ ...common, machine, disks: [move('a')] });
    await expect(work.done).resolves.toMatchObject({ result: 'failed', moved: [] });
  } finally {
    rmSync(journalDir, { recursive: true });
  }
});

it('a move of which an earlier attempt has left nothing to do succeeds', async () => {
  const journalDir = mkdtempSync(join(tmpdir(), 'node-agent-holdings-'));
  try {
    const identity = { id: 'm', namespace: 'ns', name: 'vm' };
    const common = { identity, configuration: {}, journalDir, log: silentLogger };
    const work = startInPlace({ ...common, machine: dyingMachine(1), disks: [] });
    await expect(work.done).resolves.toMatchObject({ result: 'succeeded' });
  } finally {
    rmSync(journalDir, { recursive: true });
  }
});
