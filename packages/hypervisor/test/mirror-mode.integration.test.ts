import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@godwit/core/logger';
import { connectQmp } from '@godwit/qmp';
import { startFakeQmpServer, type FakeReply } from '@godwit/qmp/testing';
import { expect, it } from 'vitest';
import { createMirrorMode } from '../src/mirror-mode.ts';
import { createMonitor } from '../src/monitor.ts';
import type { MirrorTarget } from '../src/contract/disk-mirroring.ts';

const TARGET: MirrorTarget = { kind: 'nbd', socketPath: '/nowhere', export: 'data' };
const CHANGE = {
  execute: 'block-job-change',
  arguments: { id: 'mirror-data', type: 'mirror', 'copy-mode': 'write-blocking' },
  outOfBand: false,
};

/** A QEMU that knows these commands and answers to a change of a job as told. */
async function withQemu(
  commands: readonly string[],
  answer: FakeReply,
  use: (mode: ReturnType<typeof createMirrorMode>, said: { received: () => readonly string[] }) => Promise<void>,
): Promise<readonly unknown[]> {
  const directory = await mkdtemp(join(tmpdir(), 'hypervisor-mode-'));
  const restarts: unknown[] = [];
  try {
    await using server = await startFakeQmpServer({
      path: join(directory, 'qmp.sock'),
      reply: (execute) => (execute === 'query-commands' ? { return: commands.map((name) => ({ name })) } : answer),
    });
    const monitor = createMonitor(await connectQmp({ path: server.path }), 'tiny', silentLogger);
    const mode = createMirrorMode({
      monitor,
      log: silentLogger,
      restartMirror: async (...call) => void restarts.push(call),
    });
    await use(mode, { received: () => server.received.map(({ execute }) => execute) });
    if (commands.includes('block-job-change')) expect(server.received).toContainEqual(CHANGE);
    else expect(server.received.map(({ execute }) => execute)).not.toContain('block-job-change');
    monitor.disconnect();
  } finally {
    await rm(directory, { recursive: true });
  }
  return restarts;
}

const ANEW = [['data', TARGET, { bandwidthBytesPerSecond: 7, synchronous: true }]];

it('a QEMU that can change a mirror changes it, and copies nothing anew', async () => {
  const restarts = await withQemu(['query-commands', 'block-job-change'], { return: {} }, async (mode) => {
    expect(await mode.changesMirrors()).toBe(true);
    expect(await mode.synchroniseMirror('data', TARGET, { bandwidthBytesPerSecond: 7 })).toBe('changed');
  });
  expect(restarts).toEqual([]);
});

it('an older QEMU copies the disk anew, and is asked once what it can', async () => {
  const restarts = await withQemu(['query-commands'], { return: {} }, async (mode, { received }) => {
    expect(await mode.changesMirrors()).toBe(false);
    expect(await mode.synchroniseMirror('data', TARGET, { bandwidthBytesPerSecond: 7 })).toBe('restarted');
    expect(received().filter((command) => command === 'query-commands')).toHaveLength(1);
  });
  expect(restarts).toEqual(ANEW);
});

it('a QEMU that refuses to change the mirror copies the disk anew', async () => {
  const refusal = { error: { class: 'GenericError', desc: "Job 'mirror-data' does not support it" } };
  const restarts = await withQemu(['block-job-change'], refusal, async (mode) => {
    expect(await mode.synchroniseMirror('data', TARGET, { bandwidthBytesPerSecond: 7 })).toBe('restarted');
  });
  expect(restarts).toEqual(ANEW);
});
