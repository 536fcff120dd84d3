import { waitFor } from '@godwit/core/wait';
import { expect, it } from 'vitest';
import { carrierPids } from './migration/agent-handle.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig, DISK_BYTES, type Move, type Rig } from './migration/rig.ts';

/** Slow enough that a test can act while disks are copied. */
const SLOW = { bandwidthPerMigration: '16Mi' };

type Victim = 'the carrier of the target' | 'the carrier of the source' | 'the QEMU of the target';

/** Stopped, not killed: every connection stays open, and nobody answers. */
function silence(move: Move, victims: readonly Victim[]): void {
  const [targetCarrier, sourceCarrier] = carrierPids();
  const pids = {
    'the carrier of the target': targetCarrier,
    'the carrier of the source': sourceCarrier,
    'the QEMU of the target': move.target.machine()?.pid,
  };
  for (const victim of victims) process.kill(pids[victim] ?? Number.NaN, 'SIGSTOP');
}

/** How long the guest stood still at most, by its own heartbeat; it beats again. */
async function longestGapMs(rig: Rig): Promise<number> {
  await rig.serial.past('H', rig.serial.highest('H') + 10);
  return rig.serial.longestGapMs();
}

async function expectGivenBack(rig: Rig, move: Move, result: 'failed' | 'aborted'): Promise<void> {
  const outcome = await move.source.done;
  expect(outcome, JSON.stringify(outcome)).toMatchObject({ result, sourceRunning: true });
  expect(await rig.machine.state()).toBe('running');
  await expect(move.target.done).resolves.toMatchObject({ result: 'aborted' });
  expect(await rig.machine.mirrors()).toEqual([]);
  expect(await expectOneRunner(rig, rig.machine, move.target.machine())).toBe('source');
}

it.each<Victim>(['the carrier of the target', 'the carrier of the source'])(
  'a copy into %s that hangs can be given up, and the guest does not notice',
  async (victim) => {
    // Far more than the buffers on the way hold, so that QEMU waits for room in its socket.
    await using rig = await createRig({ ballastBytes: DISK_BYTES - 2 ** 20, configuration: SLOW });
    const move = await rig.start();
    const begun = async () => ((await rig.machine.mirrors())[0]?.bytesDone ?? 0) > 0;
    await waitFor(begun, { timeoutMs: 10_000, what: 'the first bytes', intervalMs: 2 });
    silence(move, [victim]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const started = performance.now();
    await move.source.abort('The user deleted the migration');
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(await longestGapMs(rig)).toBeLessThan(3_000);
    await expectGivenBack(rig, move, 'aborted');
  },
);

it.each<readonly Victim[]>([
  ['the QEMU of the target'],
  ['the carrier of the target', 'the QEMU of the target'],
  ['the carrier of the source'],
])(
  'a guest that is paused for the switch runs at once again when it is given up, with %s silent',
  async (...victims) => {
    await using rig = await createRig();
    let act = () => {};
    const move = await rig.start({ source: { onStatus: ({ phase }) => phase === 'SwitchingOver' && act() } });
    act = () => {
      silence(move, victims);
      void move.source.abort('The user deleted the migration');
    };
    await move.source.done;
    expect(await longestGapMs(rig)).toBeLessThan(3_000);
    await expectGivenBack(rig, move, 'aborted');
  },
);

it('a guest that is paused for the switch does not wait for a silent target even when nobody gives it up', async () => {
  await using rig = await createRig();
  let act = () => {};
  const move = await rig.start({ source: { onStatus: ({ phase }) => phase === 'SwitchingOver' && act() } });
  act = () => silence(move, ['the carrier of the target', 'the QEMU of the target']);
  await move.source.done;
  expect(await longestGapMs(rig)).toBeLessThan(14_000);
  await expectGivenBack(rig, move, 'failed');
});
