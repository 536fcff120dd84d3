import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { Hypervisor } from '@godwit/hypervisor';
import { rawFile } from '@godwit/hypervisor/testing';
import { describe, expect, it } from 'vitest';
import { startInPlace, startSource, startTarget } from '../src/migration/index.ts';
import { makeFaulty, type DiskFault } from './migration/faulty-disk.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig, DISK, DISK_BYTES, expectAlive, truncateTo, type Move, type Rig } from './migration/rig.ts';
import { sample } from './migration/soak.ts';

/** Nearly all of the disk is there to be copied, and that takes long enough to spoil it meanwhile. */
const SLOW = { configuration: { bandwidthPerMigration: '16Mi' }, ballastBytes: DISK_BYTES - 2 * 2 ** 20 };
/** Copied after a while, and never written by the guest. */
const LATER_SECTOR = (16 * 2 ** 20) / 512;
/** Names of the block nodes that machines give the first disk, and the first one that it is mirrored to. */
const [OWN_NODE, MIRROR_NODE] = ['disk0-0', 'disk0-1'];

/** What is copied at once when the guest has written any of it. */
const MIRRORED_SECTORS = 32;

const NOT_WRITTEN = /rootdisk.*target cannot be written.*Input\/output error/;
const NOT_READ = /rootdisk.*source cannot be read.*Input\/output error/;
const FULL = /target.*rootdisk.*full/;

/** A move whose target has a faulty disk from the beginning: QEMU does not take one while a guest comes in. */
async function startOntoFaulty(rig: Rig, fault: DiskFault): Promise<Move> {
  const hypervisor: Hypervisor = {
    ...rig.hypervisor,
    async launch(options) {
      const machine = await rig.hypervisor.launch(options);
      await makeFaulty(machine, OWN_NODE, fault);
      return machine;
    },
  };
  return rig.start({ target: { hypervisor } });
}

/** The guest was told of nothing, it goes on where it was, and says why it did not move. */
async function expectStayed(rig: Rig, move: Move, reason: RegExp): Promise<void> {
  const outcome = await move.source.done;
  const expected = { result: 'failed', sourceRunning: true, reason: expect.stringMatching(reason) };
  expect(outcome, JSON.stringify(outcome)).toMatchObject(expected);
  await expect(move.target.done).resolves.toMatchObject({ result: 'aborted' });
  expect(await rig.machine.mirrors()).toEqual([]);
  expect(await expectOneRunner(rig, rig.machine, move.target.machine())).toBe('source');
  await move.source.close();
  await move.target.close();
}

/** A second move, onto the half filled target of the first. */
async function expectRetryArrives(rig: Rig): Promise<void> {
  const identity = { ...rig.identity, id: `${rig.identity.id}-again` };
  const changes = { identity, configuration: {} };
  const target = startTarget(
    rig.targetOptions({ ...changes, credentials: await rig.authority.issue(identity, 'target') }),
  );
  rig.onEnd(() => target.machine()?.kill());
  rig.onEnd(() => target.close());
  const place = { host: '127.0.0.1', ports: await target.listening };
  const credentials = await rig.authority.issue(identity, 'source');
  const source = startSource(rig.sourceOptions(place, { ...changes, credentials }));
  rig.onEnd(() => source.close());
  const outcome = await source.done;
  expect(outcome, JSON.stringify(outcome)).toMatchObject({ result: 'succeeded' });
  await target.done;
  expect(await expectOneRunner(rig, undefined, target.machine())).toBe('target');
}

const TARGETS = sample<[name: string, fault: DiskFault, reason: RegExp]>(
  [
    ['fails writes', { of: 'write', error: 'EIO' }, NOT_WRITTEN],
    ['is full', { of: 'write', error: 'ENOSPC' }, FULL],
  ],
  [['fails one write', { of: 'write', error: 'EIO', once: true }, NOT_WRITTEN]],
);
const SOURCES = sample<[name: string, fault: DiskFault]>(
  [['never', { of: 'read', error: 'EIO', sector: LATER_SECTOR }]],
  [['only once not', { of: 'read', error: 'EIO', sector: LATER_SECTOR, once: true }]],
);

describe('a move to another node', () => {
  it.each(TARGETS)('onto a disk that %s while it is copied leaves the guest where it is', async (_, fault, reason) => {
    await using rig = await createRig(SLOW);
    await expectStayed(rig, await startOntoFaulty(rig, { ...fault, sector: LATER_SECTOR }), reason);
    await expectRetryArrives(rig);
  });

  it.each(SOURCES)('of a disk of which one sector can %s be read leaves the guest where it is', async (_, fault) => {
    await using rig = await createRig(SLOW);
    const faulty = await makeFaulty(rig.machine, OWN_NODE, fault);
    await expectStayed(rig, await rig.start(), NOT_READ);
    await faulty.heal();
    await expectRetryArrives(rig);
  });

  it.each(TARGETS)(
    'onto a disk that %s once it is in sync, while memory is sent, leaves the guest where it is',
    async (_, fault, reason) => {
      // Less than a page within the downtime, and every page dirtied again before all are sent: it never ends by itself.
      await using rig = await createRig({
        configuration: { bandwidthPerMigration: '384Ki', maxDowntimeMs: 1 },
        ballastBytes: 0,
        guest: { pagesPerBeat: 64, beatsPerWrite: 20 },
      });
      // The guest comes there in a few seconds. It is still empty, and nothing is written there before.
      const sector = Math.ceil((rig.serial.highest('W') + 2 * MIRRORED_SECTORS) / MIRRORED_SECTORS) * MIRRORED_SECTORS;
      await expectStayed(rig, await startOntoFaulty(rig, { ...fault, sector }), reason);
    },
  );
});

describe('a move in place', () => {
  const inPlace = (rig: Rig, name: string) =>
    startInPlace({
      identity: { ...rig.identity, id: `${rig.identity.id}-${name}` },
      configuration: name === 'first' ? SLOW.configuration : {},
      journalDir: rig.journals.source,
      log: silentLogger,
      machine: rig.machine,
      disks: [{ name: DISK, sizeBytes: DISK_BYTES, from: rawFile(rig.sourceImage), to: rawFile(rig.targetImage) }],
    });

  async function expectStayedInPlace(rig: Rig, move: ReturnType<typeof inPlace>, reason: RegExp): Promise<void> {
    const outcome = await move.done;
    const expected = { result: 'failed', moved: [], reason: expect.stringMatching(reason) };
    expect(outcome, JSON.stringify(outcome)).toMatchObject(expected);
    expect(await rig.machine.mirrors()).toEqual([]);
    expect((await rig.machine.backings())[0]?.path).toBe(rig.sourceImage);
    await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  }

  async function expectRetrySucceeds(rig: Rig): Promise<void> {
    await truncateTo(rig.targetImage, DISK_BYTES);
    await expect(inPlace(rig, 'again').done).resolves.toMatchObject({ result: 'succeeded' });
    await expectAlive(rig.machine, rig.serial, rig.targetImage, rig.serial.highest('W'));
  }

  it.each(TARGETS)('onto a disk that %s leaves the guest on the old one', async (_, fault, reason) => {
    await using rig = await createRig(SLOW);
    const move = inPlace(rig, 'first');
    const begun = async () => ((await rig.machine.mirrors())[0]?.bytesDone ?? 0) > 0;
    await waitFor(begun, { timeoutMs: 30_000, what: 'the first bytes' });
    const faulty = await makeFaulty(rig.machine, MIRROR_NODE, fault);
    await expectStayedInPlace(rig, move, reason);
    await faulty.heal();
    await expectRetrySucceeds(rig);
  });

  it.each(SOURCES)('of a disk of which one sector can %s be read leaves the guest on it', async (_, fault) => {
    await using rig = await createRig(SLOW);
    const faulty = await makeFaulty(rig.machine, OWN_NODE, fault);
    await expectStayedInPlace(rig, inPlace(rig, 'first'), NOT_READ);
    await faulty.heal();
    await expectRetrySucceeds(rig);
  });
});
