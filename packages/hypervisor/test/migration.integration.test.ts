import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { waitFor } from '@godwit/core/wait';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootSectorSpec } from '../src/testing/index.ts';
import { converge, copyDisk, handOver, prepareTarget } from './move.ts';
import {
  createRig,
  DISK,
  DISK_BYTES,
  expectDiskSound,
  expectNothingLost,
  memoryStatus,
  mirrorReady,
  type Rig,
  type RunningMachine,
} from './rig.ts';

/** Slow enough that a copy is surely still under way when the test acts on it. */
const SLOW = { bandwidthBytesPerSecond: 2 ** 20 };

describe('moving a machine to another process', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await createRig();
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  async function expectStillRunning(vm: RunningMachine): Promise<void> {
    expect(await vm.machine.state()).toBe('running');
    const write = vm.serial.highest('W');
    await vm.serial.past('W', write + 10);
  }

  it('takes memory along on four channels beside the main one', async () => {
    const source = await rig.boot('source');
    const target = await rig.receive('target');
    const { nbd, memory } = await prepareTarget(target);
    await copyDisk(source, nbd);
    await target.machine.acceptMemory(memory, { multifdChannels: 4 });
    await source.machine.startMemory(memory, { downtimeLimitMs: 30, autoConverge: false, multifdChannels: 4 });
    await memoryStatus(source.machine, 'pre-switchover');
    await handOver(source, target);
    await target.machine.resume();
    await target.serial.past('W', source.serial.highest('W') + 50);
    expectOneHistory(source, target);
    await source.machine.kill();
    await expectNothingLost(target, source.serial);
  });

  it.each(['pc-i440fx-7.2', 'pc-q35-7.2'])('takes memory and disk along (%s)', async (machineType) => {
    const spec = bootSectorSpec({ sizeBytes: DISK_BYTES, machineType });
    const source = await rig.boot('source', { spec });
    await source.serial.past('W', 50);
    const started = performance.now();
    // A bigger file below the disk must make no difference.
    const target = await rig.receive('target', { spec, imageBytes: DISK_BYTES + 2 ** 20 });
    expect(await target.machine.state()).toBe('incoming');
    await expect(target.machine.resume()).rejects.toMatchObject({ code: 'HYPERVISOR_WRONG_STATE' });
    const { nbd, memory } = await prepareTarget(target);
    await copyDisk(source, nbd);
    await converge(source, target, memory);
    expect(await source.machine.state()).toBe('finish-migrate');
    await handOver(source, target);
    expect(await source.machine.state()).toBe('postmigrate');
    expect(await target.machine.state()).toBe('paused');
    expect(target.serial.lines).toEqual([]);
    await target.machine.resume();
    const totalMs = Math.round(performance.now() - started);
    await target.serial.past('W', source.serial.highest('W') + 50);
    const { downtimeMs } = await source.machine.memory();
    const gapMs = Math.round(source.serial.longestGapMs(target.serial));
    process.stdout.write(`${JSON.stringify({ measured: 'move', machineType, totalMs, downtimeMs, gapMs })}\n`);
    expectOneHistory(source, target);
    await source.machine.kill();
    await expectNothingLost(target, source.serial);
  });

  it('goes on where it was when the user aborts mid-copy, and can be moved afterwards', async () => {
    const source = await rig.boot('source');
    const target = await rig.receive('target');
    const { nbd, memory } = await prepareTarget(target);
    await source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK }, SLOW);
    await expect(source.machine.preparePivot(DISK)).rejects.toMatchObject({ code: 'HYPERVISOR_WRONG_STATE' });
    await expect(
      source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK }),
    ).rejects.toMatchObject({ code: 'HYPERVISOR_MIRROR_EXISTS' });
    await source.machine.cancelMirror(DISK);
    await source.machine.cancelMirror(DISK);
    expect(await source.machine.mirrors()).toEqual([]);
    await expectStillRunning(source);
    await copyDisk(source, nbd);
    await converge(source, target, memory);
    await handOver(source, target);
    await target.machine.resume();
    await target.serial.past('W', source.serial.highest('W') + 10);
    await source.machine.kill();
    await expectNothingLost(target, source.serial);
  });

  it('keeps the source running when the target dies mid-copy', async () => {
    const source = await rig.boot('source');
    const target = await rig.receive('target');
    const { nbd } = await prepareTarget(target);
    await source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK }, SLOW);
    process.kill(target.machine.pid, 'SIGKILL');
    await target.machine.exited();
    const failed = async (): Promise<boolean> => (await source.machine.mirrors())[0]?.error !== undefined;
    await waitFor(failed, { what: 'the mirror to fail', timeoutMs: 10_000 });
    expect(source.events).toContainEqual(expect.objectContaining({ type: 'job', id: DISK, status: 'error' }));
    await source.machine.cancelMirror(DISK);
    expect(await source.machine.mirrors()).toEqual([]);
    await expectStillRunning(source);
    await expectNothingLost(source);
  });

  it('keeps the source running when the target dies in the pause', async () => {
    const source = await rig.boot('source');
    const target = await rig.receive('target');
    const { nbd, memory } = await prepareTarget(target);
    await copyDisk(source, nbd);
    await converge(source, target, memory);
    process.kill(target.machine.pid, 'SIGKILL');
    await target.machine.exited();
    await expect(source.machine.finishMirror(DISK)).rejects.toMatchObject({ code: 'HYPERVISOR_MIRROR_FAILED' });
    await source.machine.cancelMemory();
    await source.machine.cancelMemory();
    await expectStillRunning(source);
    await expectNothingLost(source);
  });

  it('resumes the source when memory is cancelled in the pause', async () => {
    const source = await rig.boot('source');
    const target = await rig.receive('target');
    const { nbd, memory } = await prepareTarget(target);
    await copyDisk(source, nbd);
    await converge(source, target, memory);
    await source.machine.cancelMemory();
    await source.machine.cancelMirror(DISK);
    await expectStillRunning(source);
    expect((await source.machine.memory()).status).toBe('cancelled');
    await target.machine.exited();
    await expectNothingLost(source);
  });

  it('resumes the source when memory is cancelled on the way, and not after it was handed over', async () => {
    const source = await rig.boot('source');
    const target = await rig.receive('target');
    const { nbd, memory } = await prepareTarget(target);
    await copyDisk(source, nbd);
    await target.machine.acceptMemory(memory);
    await source.machine.startMemory(memory, {
      downtimeLimitMs: 1,
      autoConverge: false,
      bandwidthBytesPerSecond: 100_000,
    });
    await memoryStatus(source.machine, 'active');
    await source.machine.cancelMemory();
    await source.machine.cancelMirror(DISK);
    await expectStillRunning(source);

    const second = await rig.receive('second');
    const again = await prepareTarget(second);
    await copyDisk(source, again.nbd);
    await converge(source, second, again.memory);
    await handOver(source, second);
    await expect(source.machine.cancelMemory()).rejects.toMatchObject({ code: 'HYPERVISOR_WRONG_STATE' });
    // Nobody committed, so the source may still take its guest back.
    await source.machine.resume();
    await expectStillRunning(source);
    await expectNothingLost(source);
  });

  it('waits while the target is full, and goes on once there is room', async () => {
    const source = await rig.boot('source');
    const nbd = join(rig.directory, 'full.sock');
    // Refuses a write to sector 40 once, as a full volume does; room appears by itself afterwards.
    const server = await serveLimitedDisk(nbd, join(rig.directory, 'full.img'), { once: true });
    try {
      await source.serial.past('W', 100);
      await source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK });
      const full = async (): Promise<boolean> => (await source.machine.mirrors())[0]?.nospace === true;
      await waitFor(full, { what: 'the mirror to run out of space', timeoutMs: 10_000 });
      await expectStillRunning(source);
      await source.machine.resumeMirror(DISK);
      await mirrorReady(source.machine);
      await source.machine.pause();
      await source.machine.finishMirror(DISK);
    } finally {
      await stop(server);
    }
    await expectDiskSound(join(rig.directory, 'full.img'), source.serial);
    await expectNothingLost(source);
  });

  it('cancels a mirror that waits for a full target', async () => {
    const source = await rig.boot('source');
    const nbd = join(rig.directory, 'full.sock');
    const server = await serveLimitedDisk(nbd, join(rig.directory, 'full.img'), { once: false });
    try {
      await source.serial.past('W', 100);
      await source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK });
      const full = async (): Promise<boolean> => (await source.machine.mirrors())[0]?.nospace === true;
      await waitFor(full, { what: 'the mirror to run out of space', timeoutMs: 10_000 });
      await source.machine.cancelMirror(DISK);
      expect(await source.machine.mirrors()).toEqual([]);
      await expectStillRunning(source);
    } finally {
      await stop(server);
    }
    await expectNothingLost(source);
  });

  it('refuses a target of another size', async () => {
    const source = await rig.boot('source');
    const spec = bootSectorSpec({ sizeBytes: DISK_BYTES * 2 });
    const target = await rig.receive('target', { spec, imageBytes: DISK_BYTES * 2 });
    const { nbd } = await prepareTarget(target);
    await expect(
      source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK }),
    ).rejects.toMatchObject({ code: 'HYPERVISOR_BACKING_UNUSABLE' });
    await expectStillRunning(source);
  });

  it('is taken over mid-copy by a new process of ours', async () => {
    const source = await rig.boot('source');
    const target = await rig.receive('target');
    const { nbd, memory } = await prepareTarget(target);
    await source.machine.startMirror(DISK, { kind: 'nbd', socketPath: nbd, export: DISK }, SLOW);
    source.machine.disconnect();
    target.machine.disconnect();
    const next = {
      source: { ...source, machine: (await rig.hypervisor.adopt(source.directory))! },
      target: { ...target, machine: (await rig.hypervisor.adopt(target.directory))! },
    };
    rig.track(next.source.machine);
    rig.track(next.target.machine);
    expect(await next.source.machine.mirrors()).toMatchObject([{ disk: DISK, nospace: false }]);
    await next.source.machine.cancelMirror(DISK);
    await copyDisk(next.source, nbd);
    await converge(next.source, next.target, memory);
    next.source.machine.disconnect();
    next.source.machine = (await rig.hypervisor.adopt(source.directory))!;
    rig.track(next.source.machine);
    expect((await next.source.machine.memory()).status).toBe('pre-switchover');
    await handOver(next.source, next.target);
    await next.target.machine.resume();
    await target.serial.past('W', source.serial.highest('W') + 10);
    await next.source.machine.kill();
    await expectNothingLost(next.target, source.serial);
  });
});

/** The two consoles together are one unbroken history: nothing printed twice, nothing left out. */
function expectOneHistory(source: RunningMachine, target: RunningMachine): void {
  const consoles = execFileSync('cat', [join(source.directory, 'serial.log'), join(target.directory, 'serial.log')]);
  for (const letter of ['W', 'H']) {
    const numbers = [...consoles.toString().matchAll(new RegExp(`^${letter} (\\d+)$`, 'gm'))].map((m) => Number(m[1]));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  }
  const last = source.serial.lines.at(-1)?.atMs ?? 0;
  expect(target.serial.lines[0]?.atMs).toBeGreaterThanOrEqual(last);
}

/** An NBD server whose disk has no room for sector 40. */
async function serveLimitedDisk(socketPath: string, image: string, { once: justOnce }: { once: boolean }) {
  execFileSync('truncate', ['-s', String(DISK_BYTES), image]);
  const limited = [
    `driver=blkdebug,image.driver=file,image.filename=${image}`,
    `inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.sector=40,inject-error.0.errno=28`,
    `inject-error.0.once=${justOnce ? 'on' : 'off'},discard=unmap`,
  ].join(',');
  const server = spawn('qemu-nbd', ['--persistent', '-k', socketPath, '-x', DISK, '--image-opts', limited], {
    stdio: 'inherit',
  });
  const up = (): boolean => {
    try {
      execFileSync('test', ['-S', socketPath]);
      return true;
    } catch {
      return false;
    }
  };
  await waitFor(up, { what: 'qemu-nbd', timeoutMs: 5_000 });
  return server;
}

async function stop(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit');
  server.kill();
  await ended;
}
