import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { describe, expect, it } from 'vitest';
import { backing, failingMachine, inSync, move } from '../../../test/migration/failing-machine.ts';
import type { Failures } from '../../../test/migration/failing-machine.ts';
import { startInPlace } from './in-place.ts';
import { openJournal } from '../journal.ts';

async function outcomeOf(machine: Machine, names: readonly string[] = ['a', 'b']) {
  const journalDir = mkdtempSync(join(tmpdir(), 'node-agent-holdings-'));
  try {
    const identity = { id: 'm', namespace: 'ns', name: 'vm' };
    const disks = names.map(move);
    const work = startInPlace({ identity, configuration: {}, journalDir, log: silentLogger, machine, disks });
    const outcome = await work.done;
    return { outcome, record: await openJournal(journalDir, 'm', 'in-place').readRecord() };
  } finally {
    rmSync(journalDir, { recursive: true });
  }
}

describe('a move in place', () => {
  it('holds all disks before it pivots any', async () => {
    const asked: string[] = [];
    expect((await outcomeOf(failingMachine({}, asked))).outcome).toMatchObject({ result: 'succeeded' });
    expect(asked).toEqual([
      'background a',
      'background b',
      'pause',
      'hold a',
      'hold b',
      'pivot a',
      'pivot b',
      'resume',
    ]);
  });

  it('of disks that cannot be held copies them once more with the writes of the guest', async () => {
    const asked: string[] = [];
    const { outcome } = await outcomeOf(failingMachine({ hold: 1 }, asked));
    expect(outcome).toMatchObject({ result: 'succeeded' });
    expect(asked.slice(2)).toEqual([
      'pause',
      'hold b',
      'cancel a',
      'cancel b',
      'resume',
      'synchronous a',
      'synchronous b',
      'pause',
      'hold a',
      'hold b',
      'pivot a',
      'pivot b',
      'resume',
    ]);
  });

  it('that holds disks never leaves them where they were, and holds none', async () => {
    const asked: string[] = [];
    const { outcome, record } = await outcomeOf(failingMachine({ hold: 4 }, asked));
    expect(outcome).toMatchObject({ result: 'failed', moved: [] });
    expect(record).toMatchObject({ record: 'failed', moved: [] });
    expect(asked.slice(-3)).toEqual(['cancel a', 'cancel b', 'resume']);
  });

  it('of which QEMU refuses one pivot brings the others back', async () => {
    const asked: string[] = [];
    const { outcome } = await outcomeOf(failingMachine({ pivot: ['b'] }, asked));
    expect(outcome).toMatchObject({ result: 'failed', moved: [] });
    const back = ['pivot a', 'resume', 'background a', 'pause', 'hold a', 'pivot a', 'resume'];
    expect(asked.slice(asked.indexOf('pivot a'))).toEqual(back);
  });

  it('of which QEMU refuses one pivot has recorded where every disk is whenever the guest goes on', async () => {
    const journalDir = mkdtempSync(join(tmpdir(), 'node-agent-holdings-'));
    try {
      const recorded: unknown[] = [];
      const machine = failingMachine({ pivot: ['b'] });
      const watched: Machine = {
        ...machine,
        async resume() {
          recorded.push([await openJournal(journalDir, 'm', 'in-place').readRecord(), await machine.backings()]);
          await machine.resume();
        },
      };
      const identity = { id: 'm', namespace: 'ns', name: 'vm' };
      const common = { identity, configuration: {}, journalDir, log: silentLogger };
      await startInPlace({ ...common, machine: watched, disks: [move('a'), move('b')] }).done;
      expect(recorded).toMatchObject([
        [{ holdings: { a: 'to', b: 'from' } }, [{ path: '/new/a' }, { path: '/old/b' }]],
        [{ holdings: { a: 'from', b: 'from' } }, [{ path: '/old/a' }, { path: '/old/b' }]],
      ]);
    } finally {
      rmSync(journalDir, { recursive: true });
    }
  });

  it('whose QEMU dies while disks are copied has moved nothing', async () => {
    const { outcome } = await outcomeOf(failingMachine({ hold: 1, fatal: 3 }));
    expect(outcome).toMatchObject({ result: 'failed', moved: [] });
  });

  it('whose guest switches itself off while disks are copied ends there, with nothing moved', async () => {
    const asked: string[] = [];
    const { outcome } = await outcomeOf(failingMachine({ off: 2 }, asked));
    expect(outcome).toMatchObject({
      result: 'failed',
      moved: [],
      reason: expect.stringContaining('switched itself off'),
    });
    expect(asked).toEqual(['background a', 'background b', 'cancel a', 'cancel b']);
  });

  it('whose guest switches itself off while a disk is brought back brings it back all the same', async () => {
    const { outcome, record } = await outcomeOf(failingMachine({ pivot: ['b'], off: 3 }));
    expect(outcome).toMatchObject({ result: 'failed', moved: [] });
    expect(record).toMatchObject({ record: 'failed', moved: [] });
  });

  it('whose QEMU dies while a disk is brought back names it', async () => {
    const { outcome, record } = await outcomeOf(failingMachine({ pivot: ['b'], fatal: 3 }));
    expect(outcome).toMatchObject({ result: 'failed', moved: ['a'] });
    expect(record).toMatchObject({ record: 'failed', moved: ['a'] });
  });
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
      changesMirrors: async () => false,
      limitWrites: async () => undefined,
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
  expect((await outcomeOf(failingMachine({}), [])).outcome).toMatchObject({ result: 'succeeded' });
});

it.each<[string, Failures]>([
  ['succeeds', {}],
  ['goes back', { pivot: ['b'] }],
])('a move that %s lets the guest write to its disks as it likes, whatever was limited', async (_, failures) => {
  const limits: (readonly [string, number])[] = [];
  const machine: Machine = {
    ...failingMachine(failures),
    limitWrites: async (...limit) => void limits.push(limit),
  };
  await outcomeOf(machine);
  expect(limits).toEqual(
    expect.arrayContaining([
      ['a', 0],
      ['b', 0],
    ]),
  );
  expect(limits.every(([, bytesPerSecond]) => bytesPerSecond === 0)).toBe(true);
});

describe('an agent that ends while disks are brought back', () => {
  /** `ends` has the agent end at that moment, without waiting for it. */
  async function leftBy(change: (machine: Machine, ends: () => void) => Partial<Machine>) {
    const journalDir = mkdtempSync(join(tmpdir(), 'node-agent-holdings-'));
    try {
      const over = Promise.withResolvers<void>();
      const inner = failingMachine({ pivot: ['b'] });
      const machine = { ...inner, ...change(inner, () => void work.close().then(over.resolve, over.reject)) };
      const identity = { id: 'm', namespace: 'ns', name: 'vm' };
      const disks = [move('a'), move('b')];
      const work = startInPlace({ identity, configuration: {}, journalDir, log: silentLogger, machine, disks });
      await over.promise;
      const record = await openJournal(journalDir, 'm', 'in-place').readRecord();
      return { state: await inner.state(), mirrors: await inner.mirrors(), record };
    } finally {
      rmSync(journalDir, { recursive: true });
    }
  }

  it('leaves none of them half copied, and no guest that may write less than it likes', async () => {
    const limits = new Map<string, number>();
    let copies = 0;
    const left = await leftBy((machine, ends) => ({
      async startMirror(...copy) {
        await machine.startMirror(...copy);
        copies += 1;
        if (copies < 3) return;
        limits.set('a', 4096);
        ends();
      },
      mirrors: async () => (await machine.mirrors()).map((mirror) => ({ ...mirror, ready: copies < 3 })),
      limitWrites: async (disk, bytesPerSecond) => void limits.set(disk, bytesPerSecond),
    }));
    expect(left).toMatchObject({ state: 'running', mirrors: [], record: { holdings: { a: 'to', b: 'from' } } });
    expect(limits.get('a')).toBe(0);
  });

  it('leaves no guest that stands still', async () => {
    let holds = 0;
    const left = await leftBy((machine, ends) => ({
      async preparePivot(disk) {
        holds += 1;
        if (holds <= 2) return machine.preparePivot(disk);
        if (holds === 4) ends();
        throw new Error('too busy');
      },
    }));
    expect(holds).toBe(4);
    expect(left).toMatchObject({ state: 'running', mirrors: [], record: { holdings: { a: 'to', b: 'from' } } });
  });

  it('lets go of nothing once it is recorded that they are back: that is for the next agent', async () => {
    let pivots = 0;
    const left = await leftBy((machine, ends) => ({
      async commitPivot(disk) {
        pivots += 1;
        if (pivots <= 2) return machine.commitPivot(disk);
        ends();
        throw new Error('EPERM');
      },
    }));
    const mirrors = [{ disk: 'a' }];
    expect(left).toMatchObject({ state: 'paused', mirrors, record: { holdings: { a: 'from', b: 'from' } } });
  });
});
