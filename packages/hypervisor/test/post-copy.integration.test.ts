import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildBootSectorDisk, hostHasPostCopy, NEEDS_POST_COPY } from '../src/testing/index.ts';
import { createRig, DISK_BYTES, expectNothingLost, memoryStatus, type Rig, type RunningMachine } from './rig.ts';

/** Never converges; what is left takes long enough for anything to happen meanwhile. */
const HARD = { downtimeLimitMs: 1, autoConverge: false, bandwidthBytesPerSecond: 200_000, postCopy: true };

describe.skipIf(!hostHasPostCopy())(`a machine that moves by post-copy (${NEEDS_POST_COPY})`, () => {
  let rig: Rig;
  let source: RunningMachine;
  let target: RunningMachine;
  let memory: string;
  beforeEach(async () => {
    rig = await createRig();
    const image = join(rig.directory, 'shared.img');
    await buildBootSectorDisk(image, DISK_BYTES, { pagesPerBeat: 64, beatsPerWrite: 10 });
    source = { ...(await rig.boot('source', { backingOf: () => image })), image };
    target = { ...(await rig.receive('target', { backingOf: () => image })), image };
    memory = join(target.directory, 'mem.sock');
    expect(await target.machine.acceptMemory(memory, { postCopy: true })).toEqual({ postCopy: true });
    await source.machine.startMemory(memory, HARD);
    await memoryStatus(source.machine, 'active');
    await source.machine.startPostCopy();
    await memoryStatus(source.machine, 'pre-switchover');
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  /** Up to where the target could run: most of the memory is still on the source. */
  async function split(): Promise<void> {
    await source.machine.continueSwitchover();
    await memoryStatus(source.machine, 'postcopy-active');
    const listens = async (): Promise<boolean> => (await target.machine.state()) === 'paused';
    await waitFor(listens, { what: 'the target to listen', timeoutMs: 10_000, intervalMs: 2 });
    expect(target.serial.lines).toEqual([]);
    expect((await target.machine.memory()).status).toBe('postcopy-active');
  }

  it('runs on the target before its memory is there, and whole afterwards', async () => {
    await split();
    await target.machine.resume();
    await target.serial.past('W', source.serial.highest('W') + 5);
    expect((await source.machine.memory()).status).toBe('postcopy-active');
    // The rest may come at once.
    await source.machine.setMigrateParameters({ bandwidthBytesPerSecond: 0 });
    await memoryStatus(source.machine, 'completed');
    await memoryStatus(target.machine, 'completed');
    await source.machine.kill();
    await target.serial.past('W', target.serial.highest('W') + 5);
    await expectNothingLost(target, source.serial);
  });

  it('runs on the source again when it is cancelled in the pause', async () => {
    await source.machine.cancelMemory();
    await source.machine.resume();
    await source.serial.past('W', source.serial.highest('W') + 5);
    await expectNothingLost(source);
  });

  it('runs on the source again when it is cancelled before the target runs, once that has let go of the disks', async () => {
    await split();
    await source.machine.cancelMemory();
    expect(await source.machine.state()).toBe('postmigrate');
    await expect(source.machine.resume()).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
    await memoryStatus(target.machine, 'postcopy-paused');
    await target.machine.kill();
    await source.machine.resume();
    await source.serial.past('W', source.serial.highest('W') + 5);
    await expectNothingLost(source);
  });

  it('runs on the source again when the stream broke before the target ran', async () => {
    await split();
    process.kill(target.machine.pid, 'SIGKILL');
    await memoryStatus(source.machine, 'postcopy-paused');
    await source.machine.takeMemoryBack(join(source.directory, 'back.sock'));
    expect(await source.machine.state()).toBe('postmigrate');
    await source.machine.resume();
    await source.serial.past('W', source.serial.highest('W') + 5);
    // It can leave again: where nobody listens it stays.
    await source.machine.startMemory(memory, HARD);
    await memoryStatus(source.machine, 'failed');
    await source.serial.past('W', source.serial.highest('W') + 5);
    await expectNothingLost(source);
  });

  it('knows when its memory will not come any more', async () => {
    await split();
    await target.machine.resume();
    const paused = (): boolean =>
      target.events.some((event) => event.type === 'migration' && event.status === 'postcopy-paused');
    expect(paused()).toBe(false);
    process.kill(source.machine.pid, 'SIGKILL');
    await waitFor(paused, { what: 'the target to notice', timeoutMs: 10_000 });
  });
});
