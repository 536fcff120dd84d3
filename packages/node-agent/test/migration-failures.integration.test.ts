import type { MigrationProgress } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { startSource, startTarget } from '../src/migration/index.ts';
import { openJournal } from '../src/migration/journal.ts';
import { describe, expect, it } from 'vitest';
import { carrierPids } from './migration/agent-handle.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig, truncateTo, DISK_BYTES, type Rig } from './migration/rig.ts';

/** Slow enough that a test can act while disks are copied. */
const SLOW = { bandwidthPerMigration: '4Mi' };

describe('a move that cannot begin', () => {
  it('is refused before any byte is copied when a target disk is too small, with the numbers', async () => {
    await using rig = await createRig({ targetBytes: DISK_BYTES / 2 });
    const stages: string[] = [];
    const onProgress = (progress: MigrationProgress) => stages.push(progress.stage);
    const { source, target } = await rig.start({ source: { onProgress } });
    const outcome = await source.done;
    expect(outcome).toMatchObject({ result: 'failed', sourceRunning: true });
    expect(outcome).toMatchObject({
      reason: expect.stringContaining(`${DISK_BYTES / 2} bytes, ${DISK_BYTES} are needed`),
    });
    await expect(target.done).resolves.toMatchObject({ result: 'aborted' });
    expect(stages).not.toContain('CopyingDisks');
    expect(await expectOneRunner(rig, rig.machine, target.machine())).toBe('source');
  });

  it('tells why the target node refused', async () => {
    await using rig = await createRig();
    const { source } = await rig.start({
      target: { prepare: async () => ({ refused: 'volume data: 1 byte, 2 are needed' }) },
    });
    await expect(source.done).resolves.toMatchObject({ reason: 'volume data: 1 byte, 2 are needed' });
    expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
  });

  it('is refused for a source with the certificate of another migration', async () => {
    await using rig = await createRig();
    const credentials = await rig.authority.issue({ ...rig.identity, id: 'another' }, 'source');
    let prepared = 0;
    const prepare = async () => {
      prepared += 1;
      return { refused: 'must not be asked' };
    };
    const { source, target } = await rig.start({ source: { credentials }, target: { prepare } });
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    expect(target.status().phase).toBe('Waiting');
    expect(prepared).toBe(0);
    expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
  });

  it('never sends a byte to a target with the certificate of another migration', async () => {
    await using rig = await createRig();
    const credentials = await rig.authority.issue({ ...rig.identity, id: 'another' }, 'target');
    const { source } = await rig.start({ target: { credentials } });
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
  });

  it('fails when nobody listens at the target', async () => {
    await using rig = await createRig();
    const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports: { control: 1, memory: 1, block: 1 } }));
    rig.onEnd(() => source.close());
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    expect(await expectOneRunner(rig, rig.machine, undefined)).toBe('source');
  });
});

describe('death in the middle of the disk copy', () => {
  const cases: [string, (rig: Rig, targetPid: number) => number][] = [
    ['the QEMU of the target', (_, targetPid) => targetPid],
    ['the carrier of the target', () => carrierPids()[0] ?? -1],
    ['the carrier of the source', () => carrierPids()[1] ?? -1],
  ];
  it.each(cases)('of %s leaves the source running, and the next move succeeds', async (_, victim) => {
    await using rig = await createRig({ configuration: SLOW, ballastBytes: DISK_BYTES / 2 });
    const { source, target } = await rig.start();
    await waitFor(() => (source.status().phase === 'Converging' ? target.machine() : undefined), {
      timeoutMs: 10_000,
      what: 'the copy',
    });
    await waitFor(async () => ((await rig.machine.mirrors())[0]?.bytesDone ?? 0) > 0, {
      timeoutMs: 10_000,
      what: 'the first bytes',
    });
    process.kill(victim(rig, target.machine()?.pid ?? -1), 'SIGKILL');
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    await expect(target.done).resolves.toMatchObject({ result: 'aborted' });
    expect(await rig.machine.mirrors()).toEqual([]);
    expect(await expectOneRunner(rig, rig.machine, target.machine())).toBe('source');
    await source.close();
    await target.close();

    await truncateTo(rig.targetImage, DISK_BYTES);
    const identity = { ...rig.identity, id: `${rig.identity.id}-again` };
    const targetCredentials = await rig.authority.issue(identity, 'target');
    const again = startTarget(rig.targetOptions({ identity, configuration: {}, credentials: targetCredentials }));
    rig.onEnd(async () => {
      await again.close();
      await again.machine()?.kill();
    });
    const credentials = await rig.authority.issue(identity, 'source');
    const place = { host: '127.0.0.1', ports: await again.listening };
    const retry = startSource(rig.sourceOptions(place, { identity, configuration: {}, credentials }));
    const after = await retry.done;
    expect(after, JSON.stringify(after)).toMatchObject({ result: 'succeeded' });
    expect(await expectOneRunner(rig, rig.machine, again.machine())).toBe('target');
  });
});

describe('death of the target QEMU around the switchover', () => {
  it.each(['SwitchingOver', 'Recording', 'HandingOver'])(
    'when the source is in %s ends with at most one runner and no lost write',
    async (phase) => {
      await using rig = await createRig();
      let kill = () => {};
      const { source, target } = await rig.start({
        source: { onStatus: (status) => status.phase === phase && kill() },
      });
      kill = () => {
        const pid = target.machine()?.pid;
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      };
      const [left, arrived] = await Promise.all([source.done, target.done]);
      if (left.result === 'failed') {
        expect(left.sourceRunning).toBe(true);
        expect(arrived.result).toBe('aborted');
        expect(await expectOneRunner(rig, rig.machine, target.machine())).toBe('source');
        return;
      }
      // The commit was recorded first: the guest died with its QEMU on the target, and must not come back on the source.
      // In `Recording` the commit is about to be sent, and may be recorded before anybody there sees that QEMU is dead.
      expect(await rig.machine.state()).toBe('gone');
      expect(phase).not.toBe('SwitchingOver');
      // The cast is safe: written by the code under test, and only looked at.
      const record = (await openJournal(rig.journals.target, rig.identity.id, 'target').readRecord()) as object;
      expect(record).toMatchObject({ record: 'commit' });
    },
  );
});

describe('an abort', () => {
  it.each(['Preparing', 'Converging', 'SwitchingOver', 'Recording', 'HandingOver'])(
    'in %s ends with exactly one runner',
    async (phase) => {
      await using rig = await createRig({ configuration: phase === 'Converging' ? SLOW : {} });
      let abort = () => {};
      const { source, target } = await rig.start({
        source: { onStatus: (status) => status.phase === phase && abort() },
      });
      abort = () => void source.abort('The user deleted the migration');
      // The phase may have been there already before the line above.
      if (source.status().phase === phase) abort();
      const outcome = await source.done;
      const arrived = await target.done;
      const where = await expectOneRunner(rig, rig.machine, target.machine());
      if (outcome.result === 'succeeded') expect([where, arrived.result]).toEqual(['target', 'running']);
      else {
        expect(outcome).toMatchObject({
          result: 'aborted',
          reason: 'The user deleted the migration',
          sourceRunning: true,
        });
        expect([where, arrived.result]).toEqual(['source', 'aborted']);
      }
      if (phase === 'Preparing' || phase === 'Converging' || phase === 'SwitchingOver') expect(where).toBe('source');
    },
  );

  it('by the target side alone, in the middle of the copy, leaves the source running', async () => {
    await using rig = await createRig({ configuration: SLOW });
    const { source, target } = await rig.start();
    await waitFor(() => source.status().phase === 'Converging', { timeoutMs: 10_000, what: 'the copy' });
    await expect(target.abort('The target pod was deleted')).resolves.toMatchObject({ result: 'aborted' });
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    expect(await expectOneRunner(rig, rig.machine, target.machine())).toBe('source');
  });
});
