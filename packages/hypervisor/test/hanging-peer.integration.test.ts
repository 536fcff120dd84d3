import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '@godwit/core/wait';
import { converge, copyDisk, prepareTarget } from './move.ts';
import { STUCK_MS } from '../src/monitor.ts';
import { createRig, DISK, expectNothingLost, memoryStatus, type Rig, type RunningMachine } from './rig.ts';

const FAST = { downtimeLimitMs: 1_000, autoConverge: false };
/** Never done within a test. */
const SLOW = { downtimeLimitMs: 1, autoConverge: false, bandwidthBytesPerSecond: 100_000 };

/** The link stays up, but nobody answers: the worst that a network or a stopped process can do. */
describe('a peer that hangs', () => {
  let rig: Rig;
  let source: RunningMachine;
  let target: RunningMachine;
  let link: Link;
  beforeEach(async () => {
    rig = await createRig();
    source = await rig.boot('source');
    target = await rig.receive('target');
    link = await openLink(join(rig.directory, 'link.sock'));
  });
  afterEach(async () => {
    link.close();
    await rig[Symbol.asyncDispose]();
  });

  const startMirror = (): Promise<void> =>
    source.machine.startMirror(DISK, { kind: 'nbd', socketPath: link.path, export: DISK });

  async function expectStillRunning(): Promise<void> {
    expect(await source.machine.state()).toBe('running');
    await source.serial.past('W', source.serial.highest('W') + 10);
  }

  it('lets a copy be cancelled once the link is closed', async () => {
    link.forward((await prepareTarget(target)).nbd, 2 ** 20);
    await startMirror();
    await link.stuck;
    await expectStillRunning();
    link.close();
    await source.machine.cancelMirror(DISK);
    expect(await source.machine.mirrors()).toEqual([]);
    await expectStillRunning();
    await expectNothingLost(source);
  });

  it('never stops the guest, also when the link is not closed first', async () => {
    link.forward((await prepareTarget(target)).nbd, 2 ** 20);
    await startMirror();
    await link.stuck;
    // QEMU's writer may or may not sit on a full send buffer by now: it ends, or says that it took too long.
    const outcome = await source.machine.cancelMirror(DISK).catch((error: unknown) => error);
    if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'HYPERVISOR_TIMEOUT' });
    await expectStillRunning();
    link.close();
    await source.machine.cancelMirror(DISK);
    expect(await source.machine.mirrors()).toEqual([]);
    await expectStillRunning();
    await expectNothingLost(source);
  });

  it('is given up by whoever waits when not even a cut helps, and then releases the guest', async () => {
    link.forward((await prepareTarget(target)).nbd, 2 ** 20);
    await startMirror();
    await link.stuck;
    // QEMU waits for every write of the copy first, of which more are under way than the link's buffers hold.
    const outcome = await promptly(() => source.machine.pause().catch((error: unknown) => error), STUCK_MS + 10_000);
    if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'HYPERVISOR_TIMEOUT' });
    link.close();
    expect(await promptly(() => source.machine.state())).toBe('paused');
    await source.machine.resume();
    await source.machine.cancelMirror(DISK);
    await expectStillRunning();
    await expectNothingLost(source);
  });

  it('is asked a few times when it says nothing from the start; the guest runs in between', async () => {
    const before = source.serial.highest('W');
    const started = performance.now();
    let ended = false;
    const refused = expect(startMirror().finally(() => (ended = true))).rejects.toMatchObject({
      code: 'HYPERVISOR_COMMAND_FAILED',
    });
    await source.serial.past('W', before + 1);
    expect(ended).toBe(false);
    await refused;
    expect(performance.now() - started).toBeLessThan(10_000);
    await expectStillRunning();
    await expectNothingLost(source);
  });

  it('is copied to when it was only slow to answer', async () => {
    const { nbd } = await prepareTarget(target);
    const started = startMirror();
    await link.asked;
    link.forward(nbd);
    await started;
    await source.machine.cancelMirror(DISK);
    await expectStillRunning();
    await expectNothingLost(source);
  });

  it('does not keep the source from going on after the pause', async () => {
    const { nbd, memory } = await prepareTarget(target);
    await copyDisk(source, nbd);
    await converge(source, target, memory);
    process.kill(target.machine.pid, 'SIGSTOP');
    const started = performance.now();
    await source.machine.cancelMemory();
    await source.machine.cancelMirror(DISK);
    expect(performance.now() - started).toBeLessThan(5_000);
    await expectStillRunning();
    await expectNothingLost(source);
  });

  describe('while the guest writes on', () => {
    let memory: string;
    beforeEach(async () => {
      const prepared = await prepareTarget(target);
      memory = prepared.memory;
      link.forward(prepared.nbd);
      await copyDisk(source, link.path);
      await target.machine.acceptMemory(memory);
    });

    /** Then a write of the copy waits for an answer that never comes. */
    async function silence(): Promise<void> {
      link.freeze();
      await link.stuck;
    }

    /** QEMU stands still: not even a question about its state is answered. */
    async function expectDeaf(): Promise<void> {
      const silent = new Promise((resolve) => setTimeout(() => resolve('silent'), 500));
      const answered = source.machine.state().catch((error: unknown) => error);
      expect(await Promise.race([answered, silent])).toBe('silent');
    }

    async function expectRestored(): Promise<void> {
      await source.machine.cancelMemory();
      await source.machine.cancelMirror(DISK);
      expect(await source.machine.mirrors()).toEqual([]);
      await expectStillRunning();
      await expectNothingLost(source);
    }

    it('does not keep memory from being cancelled, although QEMU waits for every disk when it cleans up', async () => {
      await source.machine.startMemory(memory, SLOW);
      await memoryStatus(source.machine, 'active');
      await silence();
      await promptly(() => source.machine.cancelMemory());
      await expectRestored();
    });

    it('does not delay that once the links are cut', async () => {
      await source.machine.startMemory(memory, SLOW);
      await memoryStatus(source.machine, 'active');
      await silence();
      await source.machine.cutLinks();
      await promptly(expectRestored);
    });

    it('does not keep a guest that is paused for the switch, or by its user: the links can be cut', async () => {
      await silence();
      const paused = source.machine.pause();
      await expectDeaf();
      await source.machine.cutLinks();
      await promptly(() => paused);
      expect(await source.machine.state()).toBe('paused');
      await source.machine.resume();
      await expectRestored();
    });

    it('is cut by itself when QEMU pauses the guest and never comes back from it', async () => {
      await silence();
      await source.machine.startMemory(memory, FAST);
      await waitFor(() => source.events.some((event) => event.type === 'stopped'), {
        what: 'the pause',
        timeoutMs: 10_000,
      });
      await expectDeaf();
      // Nobody does anything but look, as whoever waits for the switch does.
      await promptly(() => memoryStatus(source.machine, 'failed'), STUCK_MS + 4_000);
      // QEMU reports the failure a moment before the vCPUs run again.
      await waitFor(async () => (await source.machine.state()) === 'running', {
        what: 'the guest running again',
        timeoutMs: 3_000,
      });
      await expectRestored();
    });

    it('does not keep a guest whose copy was to be finished', async () => {
      await source.machine.startMemory(memory, FAST);
      await memoryStatus(source.machine, 'pre-switchover');
      link.freeze();
      const finishing = source.machine.finishMirror(DISK).catch((error: unknown) => error);
      await link.stuck;
      await source.machine.cutLinks();
      expect(await promptly(() => finishing)).toMatchObject({ code: 'HYPERVISOR_MIRROR_FAILED' });
      await promptly(expectRestored);
    });

    it('is cut off however many questions wait for an answer', async () => {
      await silence();
      const paused = source.machine.pause();
      await expectDeaf();
      const questions = Array.from({ length: 40 }, () => source.machine.state());
      await promptly(() => source.machine.cutLinks());
      await promptly(() => Promise.all([paused, ...questions]));
      await source.machine.resume();
      await expectRestored();
    });
  });
});

async function promptly<T>(work: () => Promise<T>, withinMs = 3_000): Promise<T> {
  const started = performance.now();
  const result = await work();
  expect(performance.now() - started).toBeLessThan(withinMs);
  return result;
}

interface Link {
  readonly path: string;
  /** Carries at most that many bytes to `socketPath`, then reads no more. Without it, it carries nothing. */
  forward(socketPath: string, bytes?: number): void;
  /** From now on nothing reaches the peer. */
  freeze(): void;
  /** Somebody has connected. */
  readonly asked: Promise<void>;
  /** Something was sent that will not arrive. */
  readonly stuck: Promise<void>;
  close(): void;
}

async function openLink(path: string): Promise<Link> {
  const asked = Promise.withResolvers<void>();
  const stuck = Promise.withResolvers<void>();
  const sockets: Socket[] = [];
  let left = 0;
  let upstream: string | undefined;
  const server: Server = createServer((near) => {
    sockets.push(near);
    asked.resolve();
    near.on('error', () => near.destroy());
    if (upstream === undefined) return;
    const far = connect(upstream);
    sockets.push(far);
    far.on('error', () => far.destroy());
    // A peer that hangs does not even say that it ends.
    far.pipe(near, { end: false }).once('close', () => far.destroy());
    far.once('close', () => left > 0 && near.destroy());
    near.on('data', (chunk) => {
      far.write(chunk.subarray(0, Math.max(0, left)));
      left -= chunk.length;
      if (left >= 0) return;
      near.pause();
      stuck.resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    asked: asked.promise,
    stuck: stuck.promise,
    forward(socketPath, bytes = Number.POSITIVE_INFINITY) {
      upstream = socketPath;
      left = bytes;
    },
    freeze() {
      left = 0;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
