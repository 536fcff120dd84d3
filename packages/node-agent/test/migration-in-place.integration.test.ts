import { join } from 'node:path';
import type { MigrationProgress } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { Machine } from '@godwit/hypervisor';
import { checkBootSectorDisk, rawFile } from '@godwit/hypervisor/testing';
import { describe, expect, it } from 'vitest';
import { recoverMigrations, startInPlace, type InPlaceOptions, type SideStatus } from '../src/migration/index.ts';
import { killAgentIn } from './migration/agent-handle.ts';
import { refusePivots } from './migration/refused-pivot.ts';
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

async function killQemu(rig: Rig): Promise<void> {
  process.kill(rig.machine.pid, 'SIGKILL');
  await waitFor(async () => (await rig.hypervisor.adopt(rig.machine.directory)) === undefined, {
    timeoutMs: 10_000,
    what: 'the end of QEMU',
  });
}

/** What the next agent makes of it. */
async function recovered(rig: Rig, machine?: Machine) {
  const [move] = await recoverMigrations({
    journalDir: rig.journals.source,
    hypervisor: rig.hypervisor,
    machineAt: async () => machine,
    log: silentLogger,
  });
  return move?.done;
}

async function adopted(rig: Rig): Promise<Machine> {
  const machine = await rig.hypervisor.adopt(rig.machine.directory);
  if (machine === undefined) throw new Error('The machine did not survive');
  rig.track(machine);
  return machine;
}

async function expectHasAll(rig: Rig, image: string): Promise<void> {
  const acknowledged = rig.serial.highest('W');
  expect(acknowledged).toBeGreaterThan(0);
  await expect(checkBootSectorDisk(image, acknowledged)).resolves.toMatchObject({ missing: [], corrupt: [] });
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

  it.each(['Held', 'Pivoting'])('that is aborted in %s is complete: it is too late', async (late) => {
    await using rig = await createRig();
    const aborted = Promise.withResolvers<unknown>();
    const onStatus = ({ phase }: SideStatus) => phase === late && aborted.resolve(move.abort('the user'));
    const move = startInPlace(options(rig, { onStatus }));
    await expect(aborted.promise).resolves.toMatchObject({ result: 'succeeded' });
    expect(await rig.machine.mirrors()).toEqual([]);
    expect((await rig.machine.backings())[0]?.path).toBe(rig.targetImage);
    await expectAlive(rig.machine, rig.serial, rig.targetImage, rig.serial.highest('W'));
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
    const { disks } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn });
    await killQemu(rig);
    await expect(recovered(rig)).resolves.toMatchObject({ result });
    await expectHasAll(rig, result === 'succeeded' ? rig.targetImage : rig.sourceImage);
  });
});

describe('kill -9 of the agent during a move in place', () => {
  it.each([
    ['Mirroring', 'failed'],
    ['Held', 'failed'],
    ['Pivoting', 'succeeded'],
  ])('in %s: after the restart it has %s', async (haltIn, result) => {
    await using rig = await createRig();
    const { disks } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn });
    const machine = await adopted(rig);
    await expect(recovered(rig, machine)).resolves.toMatchObject({ result });
    const image = result === 'succeeded' ? rig.targetImage : rig.sourceImage;
    expect((await machine.backings())[0]?.path).toBe(image);
    expect(await machine.mirrors()).toEqual([]);
    await expectAlive(machine, rig.serial, image, rig.serial.highest('W'));
  });
});

describe('a pivot that QEMU refuses', () => {
  /** Would show what the guest writes to the volume that the record does not name. */
  async function giveItTimeToWrite(rig: Rig): Promise<void> {
    if ((await rig.machine.state()) === 'running') await rig.serial.past('W', rig.serial.highest('W') + 10);
  }

  it('leaves the guest running on the old volume', async () => {
    await using rig = await createRig();
    const states: string[] = [];
    const machine = refusePivots(rig.machine, async () => void states.push(await rig.machine.state()));
    const outcome = await startInPlace(options(rig, { machine })).done;
    expect(outcome).toMatchObject({ result: 'failed', moved: [], reason: expect.stringContaining('refuses to pivot') });
    expect(states).toEqual(['paused']);
    expect((await rig.machine.backings())[0]?.path).toBe(rig.sourceImage);
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('and a QEMU that ends right then lose nothing', async () => {
    await using rig = await createRig();
    const machine = refusePivots(rig.machine, async () => {
      await giveItTimeToWrite(rig);
      await killQemu(rig);
    });
    await expect(startInPlace(options(rig, { machine })).done).resolves.toMatchObject({ result: 'succeeded' });
    await expectHasAll(rig, rig.targetImage);
  });

  it('and an agent and a QEMU that are killed right then lose nothing', async () => {
    await using rig = await createRig();
    const { disks } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn: 'Refused', refusePivot: true });
    const machine = await adopted(rig);
    expect(await machine.state()).toBe('paused');
    await killQemu(rig);
    await expect(recovered(rig)).resolves.toMatchObject({ result: 'succeeded' });
    await expectHasAll(rig, rig.targetImage);
  });

  it('and an agent that is killed right then leave the guest to the next agent, which has it run on the old volume', async () => {
    await using rig = await createRig();
    const { disks } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn: 'Refused', refusePivot: true });
    const machine = await adopted(rig);
    await expect(recovered(rig, machine)).resolves.toMatchObject({ result: 'failed', moved: [] });
    await expectAlive(machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });

  it('is recorded by the time that the guest goes on: what it writes then survives the end of agent and QEMU', async () => {
    await using rig = await createRig();
    const { disks } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn: 'MovingBack', refusePivot: true });
    await rig.serial.past('W', rig.serial.highest('W') + 10);
    await killQemu(rig);
    await expect(recovered(rig)).resolves.toMatchObject({ result: 'failed', moved: [] });
    await expectHasAll(rig, rig.sourceImage);
  });
});

describe('a move in place of a guest that somebody has paused', () => {
  it('leaves it so, on the new volume', async () => {
    await using rig = await createRig();
    await rig.machine.pause();
    const outcome = await startInPlace(options(rig)).done;
    expect(outcome).toMatchObject({ result: 'succeeded', downtimeMs: 0 });
    expect(await rig.machine.state()).toBe('paused');
    await rig.machine.resume();
    await expectAlive(rig.machine, rig.serial, rig.targetImage, rig.serial.highest('W'));
  });

  it('is left so by an agent that comes after one that was killed', async () => {
    await using rig = await createRig();
    await rig.machine.pause();
    const { disks } = options(rig);
    await killAgentIn(rig, 'in-place', { disks, haltIn: 'Held' });
    const machine = await adopted(rig);
    await expect(recovered(rig, machine)).resolves.toMatchObject({ result: 'failed' });
    expect(await machine.state()).toBe('paused');
    await machine.resume();
    await expectAlive(machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });
});
