import { join } from 'node:path';
import type { MigrationProgress } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { checkBootSectorDisk, rawFile } from '@godwit/hypervisor/testing';
import { describe, expect, it } from 'vitest';
import { recoverMigrations, startInPlace, type InPlaceOptions } from '../src/migration/index.ts';
import { killAgentIn } from './migration/agent-handle.ts';
import { createRig, DISK, DISK_BYTES, expectAlive, type Rig } from './migration/rig.ts';

function options(rig: Rig, changes: Partial<InPlaceOptions> = {}): InPlaceOptions {
  return {
    identity: rig.identity,
    configuration: {},
    journalDir: rig.journals.source,
    log: silentLogger,
    machine: rig.machine,
    disks: [{ name: DISK, sizeBytes: DISK_BYTES, from: rawFile(rig.sourceImage), to: rawFile(rig.targetImage) }],
    ...changes,
  };
}

const SLOW = { bandwidthPerMigration: '4Mi' };

describe('a move in place', () => {
  it('leaves the guest running on the new volume, with everything it wrote', async () => {
    await using rig = await createRig();
    const seen: MigrationProgress[] = [];
    const move = startInPlace(options(rig, { onProgress: (progress) => seen.push(progress) }));
    const outcome = await move.done;
    expect(outcome).toMatchObject({ result: 'succeeded' });
    expect((await rig.machine.backings())[0]?.path).toBe(rig.targetImage);
    // A quarter of the disk is in use; the holes of the rest do not count.
    const written = seen.at(-1)?.bytesTransferred ?? 0;
    expect(written).toBeGreaterThanOrEqual(DISK_BYTES / 4);
    expect(written).toBeLessThan(DISK_BYTES / 2);
    expect(outcome).toMatchObject({ bytes: written });
    expect(seen.at(-1)).toMatchObject({ stage: 'Done', bytesDone: seen.at(-1)?.bytesTotal });
    await expectAlive(rig.machine, rig.serial, rig.targetImage, rig.serial.highest('W'));
  });

  it('of a guest that writes all over its disk all the time ends all the same', async () => {
    await using rig = await createRig({ guest: { beatMs: 1, beatsPerWrite: 1, stride: 37 } });
    await expect(startInPlace(options(rig)).done).resolves.toMatchObject({ result: 'succeeded' });
    await expectAlive(rig.machine, rig.serial, rig.targetImage, rig.serial.highest('W'));
  });

  it('stays on the old volume when aborted in the middle', async () => {
    await using rig = await createRig();
    const move = startInPlace(options(rig, { configuration: SLOW }));
    await waitFor(async () => ((await rig.machine.mirrors())[0]?.bytesDone ?? 0) > 0, {
      timeoutMs: 10_000,
      what: 'the first bytes',
    });
    await expect(move.abort('The user deleted the migration')).resolves.toMatchObject({
      result: 'aborted',
      reason: 'The user deleted the migration',
      moved: [],
    });
    expect(await rig.machine.mirrors()).toEqual([]);
    expect((await rig.machine.backings())[0]?.path).toBe(rig.sourceImage);
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('stays on the old volume when the new one is too small', async () => {
    await using rig = await createRig({ targetBytes: DISK_BYTES / 2 });
    await expect(startInPlace(options(rig)).done).resolves.toMatchObject({ result: 'failed', moved: [] });
    expect((await rig.machine.backings())[0]?.path).toBe(rig.sourceImage);
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('of which one disk cannot be moved moves none', async () => {
    await using rig = await createRig();
    const { disks } = options(rig);
    const missing = {
      name: 'nodisk',
      sizeBytes: 1,
      from: rawFile(join(rig.directory, 'a')),
      to: rawFile(join(rig.directory, 'b')),
    };
    const move = startInPlace(options(rig, { disks: [...disks, missing] }));
    await expect(move.done).resolves.toMatchObject({ result: 'failed' });
    expect((await rig.machine.backings())[0]?.path).toBe(rig.sourceImage);
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });
});

describe('kill -9 of the agent and of QEMU during a move in place', () => {
  it.each([
    ['Mirroring', 'failed'],
    ['Held', 'failed'],
    ['Pivoting', 'succeeded'],
  ])('in %s: it has %s, and that volume has everything that the guest was told is written', async (haltIn, result) => {
    await using rig = await createRig();
    const { disks, journalDir } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn });
    process.kill(rig.machine.pid, 'SIGKILL');
    await waitFor(async () => (await rig.hypervisor.adopt(rig.machine.directory)) === undefined, {
      timeoutMs: 10_000,
      what: 'the end of QEMU',
    });
    const [move] = await recoverMigrations({
      journalDir,
      hypervisor: rig.hypervisor,
      machineAt: async () => undefined,
      log: silentLogger,
    });
    await expect(move?.done).resolves.toMatchObject({ result });
    const image = result === 'succeeded' ? rig.targetImage : rig.sourceImage;
    const acknowledged = rig.serial.highest('W');
    expect(acknowledged).toBeGreaterThan(0);
    await expect(checkBootSectorDisk(image, acknowledged)).resolves.toMatchObject({ missing: [], corrupt: [] });
  });
});

describe('kill -9 of the agent during a move in place', () => {
  it.each([
    ['Mirroring', 'failed'],
    ['Held', 'failed'],
    ['Pivoting', 'succeeded'],
  ])('in %s: after the restart it has %s', async (haltIn, result) => {
    await using rig = await createRig();
    const { disks, journalDir } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn });
    const machine = await rig.hypervisor.adopt(rig.machine.directory);
    if (machine === undefined) throw new Error('The machine did not survive');
    rig.track(machine);
    const [move] = await recoverMigrations({
      journalDir,
      hypervisor: rig.hypervisor,
      machineAt: async () => machine,
      log: silentLogger,
    });
    await expect(move?.done).resolves.toMatchObject({ result });
    const image = result === 'succeeded' ? rig.targetImage : rig.sourceImage;
    expect((await machine.backings())[0]?.path).toBe(image);
    expect(await machine.mirrors()).toEqual([]);
    await expectAlive(machine, rig.serial, image, rig.serial.highest('W'));
  });
});
