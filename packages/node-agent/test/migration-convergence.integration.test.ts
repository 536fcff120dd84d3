import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { rawFile, watchSerial, type SerialWatch } from '@godwit/hypervisor/testing';
import {
  ANEW,
  BUSY_DISK_BYTES,
  BUSY_GUEST,
  createCopyRig,
  expectSameImage,
  LIMITED,
  type CopyRig,
} from './migration/copy-rig.ts';
import { startAgent } from './migration/agent-handle.ts';
import { createRig, DISK, DISK_BYTES, expectAlive, type Rig } from './migration/rig.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { inSoak } from './migration/soak.ts';
import { restoreSource } from '../src/migration/source/restore-source.ts';
import { silentLogger, type Logger } from '@godwit/core/logger';
import { recoverMigrations, startTarget } from '../src/migration/index.ts';

/** A sixteenth of what the guest dirties, so that it stays too little on a busy host. */
const SLOW = { bandwidthPerMigration: '1Mi' };

/** After a failure: the guest goes on where it was. */
async function expectGivenBack(rig: CopyRig): Promise<void> {
  await expect(restoreSource(rig.machine, [DISK], silentLogger)).resolves.toBe('running');
  expect(await rig.machine.mirrors()).toEqual([]);
  await expectAlive(rig.machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
}

/** Four writes a second. */
const LIMIT = 65_536;

async function expectUnlimited(serial: SerialWatch): Promise<void> {
  for (const untilMs = performance.now() + 60_000; ;) {
    const [before, beganMs] = [serial.highest('W'), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const perSecond = ((serial.highest('W') - before) * 1000) / (performance.now() - beganMs);
    // Far more than any limit of these tests, far less than the guest does by itself.
    if (perSecond > 48) return;
    expect(performance.now(), `${perSecond} writes per second`).toBeLessThan(untilMs);
  }
}

/** An agent that is in the middle of copying disks, and then is no more. */
async function killAgent(rig: Rig, role: 'source' | 'in-place'): Promise<void> {
  const { identity, spec } = rig;
  const target = startTarget(rig.targetOptions());
  rig.onEnd(() => target.close());
  rig.onEnd(() => target.machine()?.kill());
  const agent = await startAgent(rig, {
    role,
    identity,
    configuration: { bandwidthPerMigration: '1Mi' },
    journalDir: rig.journals.source,
    directory: rig.machine.directory,
    credentials: rig.sourceCredentials,
    spec,
    target: { host: '127.0.0.1', ports: await target.listening },
    copyDisks: [DISK],
    disks: [{ name: DISK, sizeBytes: DISK_BYTES, from: rawFile(rig.sourceImage), to: rawFile(rig.targetImage) }],
    haltIn: role === 'source' ? 'Converging' : 'Mirroring',
  });
  await agent.said('halted');
  await agent.kill();
}

/** After success: both images are the same, and the guest goes on at the target. */
async function expectArrived(rig: CopyRig): Promise<void> {
  expect(await rig.ended).toEqual({ result: 'sent' });
  const acknowledged = rig.serial.highest('W');
  await rig.machine.kill();
  await expectSameImage(rig.sourceImage, rig.targetImage);
  using serial = watchSerial(rig.target.directory);
  await rig.target.resume();
  await expectAlive(rig.target, serial, rig.targetImage, acknowledged);
}

describe('an agent that dies while it limits what a guest writes', () => {
  it.each(['source', 'in-place'] as const)('is followed by one that lets it write as it likes (%s)', async (role) => {
    await using rig = await createRig({ configuration: { bandwidthPerMigration: '1Mi' } });
    await rig.machine.limitWrites(DISK, LIMIT);
    rig.machine.disconnect();
    await killAgent(rig, role);
    const machine = await rig.hypervisor.adopt(rig.machine.directory);
    if (machine === undefined) throw new Error('The machine is gone');
    const [move] = await recoverMigrations({
      journalDir: rig.journals.source,
      hypervisor: rig.hypervisor,
      machineAt: async () => machine,
      log: silentLogger,
    });
    rig.onEnd(() => move?.close());
    await expect(move?.done).resolves.toMatchObject({ result: 'failed' });
    await expectUnlimited(rig.serial);
    await expectAlive(machine, rig.serial, rig.sourceImage, rig.serial.highest('W'));
  });
});

describe('a guest that writes to its disk faster than the link carries', () => {
  it('is given back when the time is over, with the numbers and what would help', async () => {
    await using rig = await createCopyRig();
    rig.copy({ bandwidthPerMigration: '64Ki', completionTimeoutPerGiB: 4, progressTimeout: 0 });
    expect(await rig.ended).toMatchObject({
      result: 'failed',
      reason: expect.stringMatching(
        /^Not complete after \d+ s, completionTimeoutPerGiB allows 4 s for 1 GiB of disks; .*\. Raise bandwidthPerMigration \(64 KiB\/s\)/,
      ),
    });
    // What the guest writes may have been limited before, whatever it was.
    await rig.machine.limitWrites(DISK, LIMIT);
    await expectGivenBack(rig);
    await expectUnlimited(rig.serial);
  });

  it('is copied anew with its writes, and arrives', async () => {
    await using rig = await createCopyRig();
    rig.copyAnew(SLOW);
    await expectArrived(rig);
    expect(rig.told).toContain(ANEW);
    expect(rig.told).toContain('paused');
  });

  it.runIf(inSoak)('is copied anew over the same carriers when it really does', async () => {
    const said: string[] = [];
    const info = (_fields: unknown, message?: string) => void said.push(message ?? '');
    const log: Logger = { ...silentLogger, info, child: () => log };
    // Under a limit QEMU rests after a piece of 5 MiB for as long as that may take, and calls nothing ready meanwhile.
    await using rig = await createRig({
      configuration: { ...SLOW, progressTimeout: 8 },
      diskBytes: BUSY_DISK_BYTES,
      guest: BUSY_GUEST,
      log,
    });
    const [written, startedMs] = [rig.serial.highest('W'), performance.now()];
    const { source, target } = await rig.start();
    const outcome = await source.done;
    const writesPerSecond = ((rig.serial.highest('W') - written) * 1000) / (performance.now() - startedMs);
    expect(outcome, JSON.stringify([outcome, said])).toMatchObject({ result: 'succeeded' });
    await target.done;
    // Each write dirties 16 KiB. On a host that is busy enough even this guest is slower than the link.
    if (writesPerSecond * 16_384 > 4 * 2 ** 20) expect(said).toContain(ANEW);
    expect(await expectOneRunner(rig, undefined, target.machine())).toBe('target');
  });

  it('may write less where policy allows that and there is no time to copy it anew, and arrives', async () => {
    await using rig = await createCopyRig();
    const [written, startedMs] = [rig.serial.highest('W'), performance.now()];
    await rig.copyLate({ ...SLOW, allowAutoConverge: true });
    const ended = await rig.ended;
    const writesPerSecond = ((rig.serial.highest('W') - written) * 1000) / (performance.now() - startedMs);
    await expectArrived(rig);
    // Each write dirties 16 KiB. On a host that is busy enough even this guest is slower than the link.
    if (!rig.told.includes(LIMITED)) expect(writesPerSecond * 16_384, JSON.stringify(ended)).toBeLessThan(4 * 2 ** 20);
    expect(rig.told.includes('limited')).toBe(rig.told.includes(LIMITED));
  });

  it('loses nothing when its target dies while it is copied anew', async () => {
    await using rig = await createCopyRig();
    rig.copyAnew(SLOW);
    await waitFor(() => rig.told.includes(ANEW), { timeoutMs: 60_000, what: 'the second copy' });
    await waitFor(async () => ((await rig.machine.mirrors())[0]?.bytesDone ?? 0) > 0, {
      timeoutMs: 20_000,
      what: 'its first bytes',
    });
    process.kill(rig.target.pid, 'SIGKILL');
    expect(await rig.ended).toMatchObject({ result: 'failed' });
    await expectGivenBack(rig);
  });
});

describe('a guest that dirties its memory faster than the link carries', () => {
  /** Less than a page within the downtime, and every page dirtied again before all are sent. */
  const HARD = { bandwidthPerMigration: '384Ki', maxDowntimeMs: 1, progressTimeout: 2 };
  const GUEST = { ballastBytes: 0, guest: { pagesPerBeat: 64, beatsPerWrite: 50 } };

  it('is given back when nothing else is allowed, with the numbers and what would help [SLM 5.3 #37]', async () => {
    await using rig = await createRig({ configuration: HARD, ...GUEST });
    const { source, target } = await rig.start();
    const outcome = await source.done;
    expect(outcome).toMatchObject({
      result: 'failed',
      sourceRunning: true,
      reason: expect.stringMatching(
        /^No progress for \d+ s, progressTimeout is 2 s; .* of memory remain, .* allowAutoConverge, set allowPostCopy, set allowWorkloadDisruption, or raise maxDowntimeMs$/,
      ),
    });
    expect(await expectOneRunner(rig, rig.machine, target.machine())).toBe('source');
  });

  it('is held back more and more where policy allows that, says so, and not any longer than its move', async () => {
    const configuration = { ...HARD, progressTimeout: 0, allowAutoConverge: true };
    await using rig = await createRig({ configuration, ...GUEST });
    const seen: number[] = [];
    const { source, target } = await rig.start({
      source: {
        onProgress: ({ memory }) => {
          seen.push(memory?.throttlePercent ?? 0);
          if (seen.some((percent) => percent > 20)) void source.abort('The user has seen enough');
        },
      },
    });
    // Held back enough, the guest may have arrived before.
    const { result } = await source.done;
    await target.done;
    expect(seen).toContain(20);
    expect(Math.max(...seen)).toBeGreaterThan(20);
    const where = await expectOneRunner(rig, rig.machine, target.machine());
    expect(where).toBe(result === 'succeeded' ? 'target' : 'source');
    if (where === 'source') expect(await rig.machine.memory()).not.toHaveProperty('throttlePercent');
  });

  it('is paused where policy allows that, and arrives running [SLM 5.3 #48]', async () => {
    await using rig = await createRig({ configuration: { ...HARD, allowWorkloadDisruption: true }, ...GUEST });
    const modes = new Set<string | undefined>();
    const { source, target } = await rig.start({ source: { onStatus: (status) => modes.add(status.mode) } });
    expect(await source.done).toMatchObject({ result: 'succeeded' });
    await target.done;
    expect([...modes]).toContain('Paused');
    expect(await expectOneRunner(rig, undefined, target.machine())).toBe('target');
  });

  it('is made to run again when its move is aborted while it is paused', async () => {
    await using rig = await createRig({ configuration: { ...HARD, allowWorkloadDisruption: true }, ...GUEST });
    let abort = () => {};
    const { source, target } = await rig.start({
      source: { onStatus: (status) => status.mode === 'Paused' && abort() },
    });
    abort = () => void source.abort('The user deleted the migration');
    const outcome = await source.done;
    await target.done;
    // The guest may have been on its way already.
    const where = outcome.result === 'succeeded' ? 'target' : 'source';
    expect(await expectOneRunner(rig, rig.machine, target.machine())).toBe(where);
    if (outcome.result !== 'succeeded') expect(outcome).toMatchObject({ result: 'aborted', sourceRunning: true });
  });
});
