import { silentLogger } from '@godwit/core/logger';
import { GodwitError } from '@godwit/core/errors';
import type { Hypervisor } from '@godwit/hypervisor';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openJournal } from './journal.ts';
import { recoverMigrations } from './recover.ts';
import type { RecoveryProblem } from './types.ts';

describe('a migration that cannot be taken up', () => {
  let journalDir: string;
  beforeEach(() => {
    journalDir = mkdtempSync(join(tmpdir(), 'node-agent-recover-'));
  });
  afterEach(() => rmSync(journalDir, { recursive: true }));

  const recover = (machineAt: () => Promise<undefined>) =>
    recoverMigrations({ journalDir, hypervisor: {} as Hypervisor, machineAt, log: silentLogger });

  it('is not left out when its QEMU does not answer: it would pass for one that never began', async () => {
    const identity = { id: 'm', namespace: 'ns', name: 'vm' };
    await openJournal(journalDir, 'm', 'source').writeContext({ identity, directory: '/nowhere' });
    const silent = new GodwitError('HYPERVISOR_UNREACHABLE', 'QEMU does not answer', { retry: 'backoff' });
    await expect(recover(() => Promise.reject(silent))).rejects.toBe(silent);
  });

  it('keeps nobody else from being taken up where somebody sees to it', async () => {
    for (const id of ['hangs', 'sound']) {
      const identity = { id, namespace: 'ns', name: id };
      const journal = openJournal(journalDir, id, 'source');
      const target = { host: '127.0.0.1', ports: { control: 1, memory: 1, block: 1 } };
      await journal.writeContext({ identity, directory: `/nowhere/${id}`, copyDisks: [], target, startedAtMs: 0 });
      await journal.writeRecord({ record: 'resumed', epoch: 1, reason: 'r', settled: true });
    }
    let silent = true;
    const problems: RecoveryProblem[] = [];
    const found = await recoverMigrations({
      journalDir,
      hypervisor: {} as Hypervisor,
      machineAt: async (directory) => {
        if (silent && directory.endsWith('hangs')) throw new GodwitError('HYPERVISOR_UNREACHABLE', 'It hangs');
        return undefined;
      },
      onProblem: (problem) => problems.push(problem) > 0,
      log: silentLogger,
    });
    expect(found.map(({ identity }) => identity.id)).toEqual(['sound']);
    expect(problems).toMatchObject([{ role: 'source', id: 'hangs', error: { code: 'HYPERVISOR_UNREACHABLE' } }]);
    await expect(problems[0]?.retry()).rejects.toMatchObject({ code: 'HYPERVISOR_UNREACHABLE' });
    silent = false;
    const late = await problems[0]?.retry();
    expect(late?.identity.id).toBe('hangs');
    for (const migration of [...found, late]) await migration?.close();
  });

  it('keeps nobody else waiting, were all of them to hang', async () => {
    for (const id of ['a', 'b', 'c']) {
      const identity = { id, namespace: 'ns', name: id };
      await openJournal(journalDir, id, 'source').writeContext({ identity, directory: `/nowhere/${id}` });
    }
    const hanging = Promise.withResolvers<undefined>();
    const asked: string[] = [];
    const recovered = recoverMigrations({
      journalDir,
      hypervisor: {} as Hypervisor,
      machineAt: (directory) => {
        if (asked.push(directory) === 3) hanging.reject(new GodwitError('HYPERVISOR_UNREACHABLE', 'They hang'));
        return hanging.promise;
      },
      onProblem: () => true,
      log: silentLogger,
    });
    expect(await recovered).toEqual([]);
    expect(asked.toSorted()).toEqual(['/nowhere/a', '/nowhere/b', '/nowhere/c']);
  });

  it('is a guest lost in post-copy when its QEMU hangs for want of memory: it is ended', async () => {
    const identity = { id: 'm', namespace: 'ns', name: 'vm' };
    const hanging = spawn('sleep', ['60']);
    const ended = once(hanging, 'exit');
    const journal = openJournal(journalDir, 'm', 'target');
    await journal.writeContext({ identity, directory: '/nowhere', host: '127.0.0.1', controlPort: 0 });
    await journal.writeRecord({ record: 'commit', epoch: 1, postCopy: 'partial' });
    const silent = new GodwitError('HYPERVISOR_UNREACHABLE', 'QEMU does not answer', { details: { pid: hanging.pid } });
    const [migration] = await recover(() => Promise.reject(silent));
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(await migration?.done).toMatchObject({ result: 'lost', torn: true });
    await migration?.close();
  });

  it('is not left out when its journal cannot be read', async () => {
    writeFileSync(join(journalDir, 'source-m.context.json'), '{"identity"');
    await expect(recover(async () => undefined)).rejects.toMatchObject({ code: 'JOURNAL_UNREADABLE' });
  });
});
