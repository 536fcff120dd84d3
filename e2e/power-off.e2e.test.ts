import { describe, expect, it } from 'vitest';
import { storageMovePatch } from '../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../apps/cli/src/commands/demo/session.ts';
import { openConsole } from './support/console.ts';
import { eventually } from './support/eventually.ts';
import { expectClean, expectCleanDisk, expectNextBoot, instanceOf } from './support/guest.ts';
import type { GuestUnderTest } from './support/guest.ts';
import { ask, patchMachine, setRunStrategy, untilLeft } from './support/machine.ts';
import { ended, untilPercent } from './support/move.ts';
import type { Move } from './support/move.ts';
import { configureMigrations } from './support/pair.ts';
import { GOODBYE, powerOff } from './support/power-off.ts';
import { changeVolumes, moveInPlace, moveWithDisks, withdrawChange } from './support/request.ts';
import { useGuest } from './support/setup.ts';
import { local, shared } from './support/storage.ts';

/** Hardly faster than it writes: it cannot arrive before it is off. */
const slow = { bandwidthPerMigration: '4Mi' };

async function expectEnded(move: Move, why: RegExp): Promise<void> {
  const end = await ended(move.source, move.name);
  expect(end.phase, end.reason).toBe('Failed');
  expect(end.reason).toMatch(why);
}

/** The VM is off, with everything written, and starts again on the volumes that it had. */
async function expectStartsAgain(guest: GuestUnderTest): Promise<void> {
  await untilLeft(guest, 0);
  await expectCleanDisk(guest);
  const { acknowledged } = guest.oracle.log.summary();
  await patchMachine(guest, storageMovePatch(guest.guest, guest.at.storage, guest.at.place));
  await setRunStrategy(guest, 'Always');
  await expectNextBoot(guest, acknowledged);
  await untilLeft(guest, 1);
}

describe('a guest that is switched off while it moves', () => {
  const subject = useGuest(local);
  let wanted: Whereabouts;

  it('by itself, on the way to another node, is started again by its VM with every write [SLM 5.3 #44]', async () => {
    const guest = subject();
    await configureMigrations(guest.pair, slow);
    wanted = await changeVolumes(guest, local);
    const move = await moveWithDisks(guest, wanted);
    await powerOff(guest, () => untilPercent(move, 'CopyingDisks', 10));
    await expectEnded(move, /switched itself off/);
    await expectNextBoot(guest, guest.oracle.acknowledged);
    await untilLeft(guest, 1);
  });

  it('by itself, in the middle of a move in place, has succeeded where its VM is not to start it again', async () => {
    const guest = subject();
    await withdrawChange(guest, wanted);
    await setRunStrategy(guest, 'Manual');
    const move = await moveInPlace(guest, await changeVolumes(guest, shared));
    await powerOff(guest, () => untilPercent(move, 'CopyingDisks', 10));
    await expectEnded(move, /switched itself off/);
    await eventually('the guest to have succeeded', async () => {
      return (await instanceOf(guest, guest.at))?.status?.phase === 'Succeeded';
    });
    await expectStartsAgain(guest);
  });

  it('by a stop of its VM, on the way to another node, goes off in its own time and starts again [SLM 5.1 #14]', async () => {
    const guest = subject();
    const move = await moveWithDisks(guest, await changeVolumes(guest, local));
    await using terminal = await openConsole(guest);
    await untilPercent(move, 'CopyingDisks', 10);
    await ask(guest, 'VM', 'stop');
    await eventually('the guest to hear of it', () => terminal.said().includes(GOODBYE));
    await expectEnded(move, /guest|VMI/);
    await expectStartsAgain(guest);
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
