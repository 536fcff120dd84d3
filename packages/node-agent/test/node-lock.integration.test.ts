import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import type { Logger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockNode } from '../src/host/node-lock.ts';
import type { NodeLock } from '../src/host/node-lock.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'gwl-'));
  mkdirSync(join(root, 'a'));
  mkdirSync(join(root, 'b'));
  symlinkSync(join(root, 'a'), join(root, 'link'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A logger that counts its warnings; each says that the lock is taken. */
function counting(): Logger & { count: () => number } {
  let warnings = 0;
  return { ...silentLogger, warn: () => void (warnings += 1), count: () => warnings };
}

function lock(name: string, log: Logger = silentLogger, signal = new AbortController().signal) {
  return lockNode(join(root, name), { signal, clock: systemClock, log });
}

describe('the lock of a node directory', () => {
  it('is held by one at a time, whatever way leads to the directory', async () => {
    const first = await lock('a');
    const other = await lock('b');
    const log = counting();
    let second: NodeLock | undefined;
    const waiting = lock('link', log).then((held) => (second = held));
    await waitFor(() => log.count() > 0, { timeoutMs: 5000, what: 'the second to find it taken' });
    expect(second).toBeUndefined();
    await first?.release();
    await waiting;
    expect(log.count()).toBe(1);
    await second?.release();
    await other?.release();
    await (await lock('a'))?.release();
  });

  it('is free at once when its holder is killed', async () => {
    const holder = spawn(process.execPath, [join(import.meta.dirname, 'lock/holder.ts'), join(root, 'a')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const log = counting();
    let held: NodeLock | undefined;
    const waiting = lock('a', log).then((mine) => (held = mine));
    await waitFor(() => log.count() > 0, { timeoutMs: 5000, what: 'the waiter to find it taken' });
    expect(held).toBeUndefined();
    holder.kill('SIGKILL');
    await waiting;
    expect(held).toBeDefined();
    await held?.release();
  });

  it('is not waited for any longer by one that has to stop', async () => {
    const first = await lock('a');
    const stop = new AbortController();
    const log = counting();
    const waiting = lock('a', log, stop.signal);
    await waitFor(() => log.count() > 0, { timeoutMs: 5000, what: 'the waiter to find it taken' });
    stop.abort();
    expect(await waiting).toBeUndefined();
    await first?.release();
  });
});
