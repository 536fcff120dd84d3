import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { converge, copyDisk, prepareTarget } from './move.ts';
import { createRig, DISK, expectNothingLost, type Rig, type RunningMachine } from './rig.ts';

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

  it('holds the guest for a second at most when it says nothing from the start', async () => {
    const started = performance.now();
    await expect(startMirror()).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
    expect(performance.now() - started).toBeLessThan(3_000);
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
});

interface Link {
  readonly path: string;
  /** Carries that many bytes to `socketPath`, then reads no more. Without it, it carries nothing. */
  forward(socketPath: string, bytes: number): void;
  readonly stuck: Promise<void>;
  close(): void;
}

async function openLink(path: string): Promise<Link> {
  const stuck = Promise.withResolvers<void>();
  const sockets: Socket[] = [];
  let upstream: { path: string; bytes: number } | undefined;
  const server: Server = createServer((near) => {
    sockets.push(near);
    near.on('error', () => near.destroy());
    if (!upstream) return;
    let left = upstream.bytes;
    const far = connect(upstream.path);
    sockets.push(far);
    far.on('error', () => far.destroy());
    far.pipe(near);
    near.on('data', (chunk) => {
      far.write(chunk);
      left -= chunk.length;
      if (left > 0) return;
      near.pause();
      stuck.resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    stuck: stuck.promise,
    forward(socketPath, bytes) {
      upstream = { path: socketPath, bytes };
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
