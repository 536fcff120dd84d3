import { waitFor } from '@godwit/core/wait';
import { expect, it } from 'vitest';
import { createRig, DISK, expectNothingLost, type RunningMachine } from './rig.ts';

const KIB = 1024;
/** Four writes of the guest a second; each of its sectors is 16 KiB to whoever copies the disk. */
const LIMIT = 64 * KIB;
const WRITES_PER_SECOND = LIMIT / (16 * KIB);

/** What the guest was told is written, per second of about so long. */
async function writesPerSecond(ms: number, { serial }: RunningMachine): Promise<number> {
  const [before, beganMs] = [serial.highest('W'), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ((serial.highest('W') - before) * 1000) / (performance.now() - beganMs);
}

async function writesAsItLikes(running: RunningMachine): Promise<void> {
  const writes = async () => (await writesPerSecond(1000, running)) > 4 * WRITES_PER_SECOND;
  await waitFor(writes, { timeoutMs: 60_000, what: 'a guest that writes as it likes' });
}

it('a guest writes as little as it may, and as it likes again once it may', async () => {
  await using rig = await createRig();
  const running = await rig.boot('source');
  const { machine } = running;
  await machine.limitWrites(DISK, LIMIT);
  // What was on its way when the limit came is let through, and so is what may be written at once.
  expect(await writesPerSecond(4000, running)).toBeLessThan(2 * WRITES_PER_SECOND);
  expect(await machine.state()).toBe('running');

  await machine.limitWrites(DISK, 0);
  await writesAsItLikes(running);
  // Again changes nothing, and a disk that is not there has no limit.
  await machine.limitWrites(DISK, 0);
  await machine.limitWrites('nodisk', 0);
  await expect(machine.limitWrites('nodisk', LIMIT)).rejects.toMatchObject({ code: 'HYPERVISOR_UNKNOWN_DISK' });
  await expectNothingLost(running);
});

it('a limit does not hold up a guest that is to be paused, nor the process that limited it', async () => {
  await using rig = await createRig();
  const running = await rig.boot('source');
  await running.machine.limitWrites(DISK, LIMIT);
  running.machine.disconnect();
  const machine = await rig.hypervisor.adopt(running.directory);
  if (machine === undefined) throw new Error('The machine is gone');
  rig.track(machine);
  await machine.pause();
  expect(await machine.state()).toBe('paused');
  await machine.resume();
  await machine.limitWrites(DISK, 0);
  await writesAsItLikes(running);
});
