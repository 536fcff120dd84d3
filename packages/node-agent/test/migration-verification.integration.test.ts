import { createHash, randomBytes } from 'node:crypto';
import { mkdtempDisposable, open, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isGodwitError } from '@godwit/core/errors';
import { silentLogger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { rawFile } from '@godwit/hypervisor/testing';
import { describe, expect, it } from 'vitest';
import type { MigrationVerification } from '@godwit/api';
import {
  recoverMigrations,
  startInPlace,
  startSource,
  startTarget,
  type InPlaceOptions,
  type SideStatus,
} from '../src/migration/index.ts';
import { digestDisks } from '../src/migration/verification/digest-disks.ts';
import { agentOf, killAgentIn, portsOf } from './migration/agent-handle.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig, DISK, DISK_BYTES, expectAlive, truncateTo, type Rig } from './migration/rig.ts';

const MiB = 2 ** 20;
/** In the part of the disk that the guest never writes to. */
const UNTOUCHED = DISK_BYTES - 5 * MiB - 12_345;

/** A second writer of an image. */
async function flipByte(path: string, offset: number): Promise<void> {
  const byte = Buffer.alloc(1);
  {
    await using file = await open(path, 'r');
    await file.read(byte, 0, 1, offset);
  }
  await writeAt(path, Buffer.of((byte[0] ?? 0) ^ 1), offset);
}

async function writeAt(path: string, bytes: Buffer, offset: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, offset);
}

/** As documented, computed in another way. */
async function expectedDigest(path: string): Promise<string> {
  const image = await readFile(path);
  const disk = createHash('sha256');
  for (let at = 0; at < image.length; at += MiB)
    disk.update(
      createHash('sha256')
        .update(image.subarray(at, at + MiB))
        .digest(),
    );
  return disk.digest('hex');
}

/** The rig's machine, with something done right after a step of it. */
function after(machine: Machine, step: 'finishMirror' | 'backings', work: () => Promise<unknown>): Machine {
  let done = false;
  const once = async () => {
    if (!done) await work();
    done = true;
  };
  return {
    ...machine,
    async finishMirror(disk) {
      await machine.finishMirror(disk);
      if (step === 'finishMirror') await once();
    },
    async backings() {
      const backings = await machine.backings();
      if (step === 'backings') await once();
      return backings;
    },
  };
}

async function recovered(rig: Rig, role: 'source' | 'target', machine: Machine | undefined) {
  const [handle] = await recoverMigrations({
    journalDir: rig.journals[role],
    hypervisor: rig.hypervisor,
    machineAt: async () => machine,
    log: silentLogger,
  });
  if (handle === undefined) throw new Error(`Nothing to recover as ${role}`);
  rig.onEnd(() => handle.close());
  return handle;
}

describe('digests of disks', () => {
  it('are those of what a guest reads, holes and zeroes alike', async () => {
    await using scratch = await mkdtempDisposable(join(tmpdir(), 'node-agent-digest-'));
    const sizeBytes = 16 * MiB - 512;
    const data = randomBytes(3 * MiB);
    const image = Buffer.alloc(sizeBytes);
    data.copy(image, 5 * MiB + 4096);
    const [thin, dense] = [join(scratch.path, 'thin.img'), join(scratch.path, 'dense.img')];
    await truncateTo(thin, sizeBytes);
    await writeAt(thin, data, 5 * MiB + 4096);
    await writeFile(dense, image);
    const [first, second] = await digestDisks([
      { name: 'thin', path: thin, sizeBytes },
      { name: 'dense', path: dense, sizeBytes },
    ]).done;
    const chunk = (at: number) =>
      createHash('sha256')
        .update(image.subarray(at, at + MiB))
        .digest();
    const expected = Array.from({ length: 16 }, (_none, index) => chunk(index * MiB));
    expect(Buffer.from(first?.chunks ?? [])).toEqual(Buffer.concat(expected));
    expect(second?.chunks).toEqual(first?.chunks);
    expect(first?.bytesRead).toBe(4 * MiB);
    expect(second?.bytesRead).toBe(sizeBytes);
  });

  it('are refused of what cannot be read to its end', async () => {
    await using scratch = await mkdtempDisposable(join(tmpdir(), 'node-agent-digest-'));
    const path = join(scratch.path, 'short.img');
    await truncateTo(path, MiB);
    const short = digestDisks([{ name: DISK, path, sizeBytes: 2 * MiB }]).done;
    await expect(short).rejects.toSatisfy((error) => isGodwitError(error, 'MIGRATION_DIGEST_FAILED'));
    const none = digestDisks([{ name: DISK, path: `${path}.none`, sizeBytes: MiB }]).done;
    await expect(none).rejects.toSatisfy((error) => isGodwitError(error, 'MIGRATION_DIGEST_FAILED'));
  });

  it('are given up when nobody wants them any more', async () => {
    await using scratch = await mkdtempDisposable(join(tmpdir(), 'node-agent-digest-'));
    const path = join(scratch.path, 'thin.img');
    await truncateTo(path, MiB);
    const digesting = digestDisks([{ name: DISK, path, sizeBytes: MiB }]);
    await digesting.stop();
    await expect(digesting.done).rejects.toThrow('given up');
  });
});

describe('a move that is to be verified', () => {
  it('succeeds with the digests that both sides have', async () => {
    await using rig = await createRig();
    const told: MigrationVerification[] = [];
    const { source, target, targetSerial } = await rig.start({
      source: { verify: true, onVerified: (verification) => told.push(verification) },
    });
    const outcome = await source.done;
    expect(outcome).toMatchObject({ result: 'succeeded', verification: { result: 'Identical' } });
    expect(told).toEqual([outcome.verification]);
    const [volume] = told[0]?.volumes ?? [];
    // The source's image has not changed since.
    expect(volume).toMatchObject({ name: DISK, bytes: DISK_BYTES, digest: await expectedDigest(rig.sourceImage) });
    expect(volume?.bytesRead).toBeLessThan(DISK_BYTES / 2);
    const arrived = await target.done;
    if (arrived.result !== 'running') throw new Error(arrived.reason);
    await expectAlive(arrived.machine, targetSerial, rig.targetImage, rig.serial.highest('W'));
  });

  it('fails when one byte of the target is another, and the guest runs on at its source', async () => {
    await using rig = await createRig();
    const machine = after(rig.machine, 'finishMirror', () => flipByte(rig.targetImage, UNTOUCHED));
    const { source, target } = await rig.start({ source: { machine, verify: true } });
    const outcome = await source.done;
    const differenceAt = Math.floor(UNTOUCHED / MiB) * MiB;
    expect(outcome).toMatchObject({
      result: 'failed',
      sourceRunning: true,
      verification: { result: 'Different', volumes: [{ name: DISK, result: 'Different', differenceAt }] },
    });
    if (outcome.result !== 'failed') throw new Error(outcome.result);
    expect(outcome.reason).toMatch(
      new RegExp(
        `volume ${DISK} .*at offset ${differenceAt} is [0-9a-f]{64} on the source and [0-9a-f]{64} on the target`,
      ),
    );
    await expect(target.done).resolves.toMatchObject({ result: 'aborted' });
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('ends as soon as it is aborted', async () => {
    await using rig = await createRig();
    const aborted = Promise.withResolvers<unknown>();
    const machine = after(rig.machine, 'backings', async () => aborted.resolve(move.source.abort('the user')));
    const move = await rig.start({ source: { machine, verify: true } });
    await aborted.promise;
    await expect(move.source.done).resolves.toMatchObject({ result: 'aborted', sourceRunning: true });
    await expect(move.target.done).resolves.toMatchObject({ result: 'aborted' });
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('lets the guest run at its source when the agent of the source ends meanwhile', async () => {
    await using rig = await createRig();
    const closed = Promise.withResolvers<unknown>();
    const machine = after(rig.machine, 'backings', async () => closed.resolve(move.source.close()));
    const move = await rig.start({ source: { machine, verify: true } });
    await closed.promise;
    expect(await rig.machine.state()).toBe('running');
    await expect(move.target.done).resolves.toMatchObject({ result: 'aborted' });
    const again = await recovered(rig, 'source', rig.machine);
    await expect(again.done).resolves.toMatchObject({
      result: 'failed',
      sourceRunning: true,
      reason: expect.stringContaining('ended') as string,
    });
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('leaves the guest at its source when the target agent dies meanwhile', async () => {
    await using rig = await createRig();
    const agent = await agentOf(rig, 'target', { haltIn: '' });
    const ports = await portsOf(agent);
    const machine = after(rig.machine, 'backings', () => agent.kill());
    const source = startSource({ ...rig.sourceOptions({ host: '127.0.0.1', ports }), machine, verify: true });
    rig.onEnd(() => source.close());
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    const targetMachine = await rig.hypervisor.adopt(rig.targetDirectory);
    rig.track(targetMachine);
    const target = await recovered(rig, 'target', targetMachine);
    await expect(target.done).resolves.toMatchObject({ result: 'aborted' });
    expect(await expectOneRunner(rig, rig.machine, targetMachine)).toBe('source');
  });

  it('leaves the guest at its source when the source agent dies right after the comparison', async () => {
    await using rig = await createRig();
    const target = startTarget(rig.targetOptions());
    rig.onEnd(() => target.machine()?.kill());
    rig.onEnd(() => target.close());
    const to = { host: '127.0.0.1', ports: await target.listening };
    await killAgentIn(rig, 'source', { target: to, verify: true, haltIn: 'Verified' });
    const machine = await rig.hypervisor.adopt(rig.machine.directory);
    rig.track(machine);
    const source = await recovered(rig, 'source', machine);
    await expect(source.done).resolves.toMatchObject({ result: 'failed', sourceRunning: true });
    await expect(target.done).resolves.toMatchObject({ result: 'aborted' });
    expect(await expectOneRunner(rig, machine, undefined)).toBe('source');
  });
});

describe('a move in place that is to be verified', () => {
  const inPlace = (rig: Rig, changes: Partial<InPlaceOptions> = {}): InPlaceOptions => ({
    identity: rig.identity,
    configuration: {},
    journalDir: rig.journals.source,
    log: silentLogger,
    machine: rig.machine,
    disks: [{ name: DISK, sizeBytes: DISK_BYTES, from: rawFile(rig.sourceImage), to: rawFile(rig.targetImage) }],
    verify: true,
    ...changes,
  });

  it('succeeds when both volumes are the same, the guest paused meanwhile and running afterwards', async () => {
    await using rig = await createRig();
    const outcome = await startInPlace(inPlace(rig)).done;
    expect(outcome).toMatchObject({
      result: 'succeeded',
      verification: { result: 'Identical', volumes: [{ name: DISK, digest: await expectedDigest(rig.sourceImage) }] },
    });
    if (outcome.result === 'succeeded') {
      expect(outcome.downtimeMs).toBeGreaterThan(0);
      // Also of a disk that a mirror has locked, holes are not read.
      expect(outcome.verification?.volumes[0]?.bytesRead).toBeLessThan(DISK_BYTES / 2);
    }
    expect((await rig.machine.backings())[0]?.path).toBe(rig.targetImage);
    await expectAlive(rig.machine, rig.serial, rig.targetImage, rig.serial.highest('W'));
  });

  it('fails when one byte of the new volume is another, and the guest runs on on the old one', async () => {
    await using rig = await createRig();
    const machine: Machine = {
      ...rig.machine,
      async pause() {
        await rig.machine.pause();
        await flipByte(rig.targetImage, UNTOUCHED);
      },
    };
    const differenceAt = Math.floor(UNTOUCHED / MiB) * MiB;
    await expect(startInPlace(inPlace(rig, { machine })).done).resolves.toMatchObject({
      result: 'failed',
      moved: [],
      reason: expect.stringContaining(`volume ${DISK} is not identical to its source`) as string,
      verification: { result: 'Different', volumes: [{ differenceAt }] },
    });
    expect(await rig.machine.mirrors()).toEqual([]);
    expect((await rig.machine.backings())[0]?.path).toBe(rig.sourceImage);
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('leaves the guest running on the old volume when it is aborted meanwhile', async () => {
    await using rig = await createRig();
    const aborted = Promise.withResolvers<unknown>();
    const onStatus = ({ phase }: SideStatus) => phase === 'Held' && aborted.resolve(move.abort('the user'));
    const move = startInPlace(inPlace(rig, { onStatus }));
    await aborted.promise;
    await expect(move.done).resolves.toMatchObject({ result: 'aborted', reason: 'the user', moved: [] });
    expect((await rig.machine.backings())[0]?.path).toBe(rig.sourceImage);
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('leaves the guest running when its agent ends meanwhile', async () => {
    await using rig = await createRig();
    const closed = Promise.withResolvers<unknown>();
    const onStatus = ({ phase }: SideStatus) => phase === 'Held' && closed.resolve(move.close());
    const move = startInPlace(inPlace(rig, { onStatus }));
    await closed.promise;
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
    const again = await recovered(rig, 'source', rig.machine);
    await expect(again.done).resolves.toMatchObject({ result: 'failed', moved: [] });
  });

  it.each([
    ['Verified', 'failed'],
    ['Pivoting', 'succeeded'],
  ])('has a guest that runs after a kill of its agent in %s: it has %s', async (haltIn, result) => {
    await using rig = await createRig();
    await killAgentIn(rig, 'in-place', { disks: inPlace(rig).disks, verify: true, haltIn });
    const machine = await rig.hypervisor.adopt(rig.machine.directory);
    if (machine === undefined) throw new Error('The machine did not survive');
    rig.track(machine);
    expect(await machine.state()).toBe('paused');
    const move = await recovered(rig, 'source', machine);
    await expect(move.done).resolves.toMatchObject(
      result === 'succeeded' ? { result, verification: { result: 'Identical' } } : { result, moved: [] },
    );
    const image = result === 'succeeded' ? rig.targetImage : rig.sourceImage;
    expect((await machine.backings())[0]?.path).toBe(image);
    expect(await machine.mirrors()).toEqual([]);
    await expectAlive(machine, rig.serial, image, rig.serial.highest('W'));
  });
});
