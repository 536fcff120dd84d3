import type { MigrationProgress } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { Machine } from '@godwit/hypervisor';
import {
  checkBootSectorDisk,
  hostHasPostCopy,
  NEEDS_POST_COPY,
  rawFile,
  watchSerial,
} from '@godwit/hypervisor/testing';
import { describe, expect, it } from 'vitest';
import { recoverMigrations, startSource, startTarget, type SideStatus } from '../src/migration/index.ts';
import type { ProgressKeeper } from '../src/migration/tell-progress.ts';
import { agentOf, carrierPids, killAgentIn, portsOf } from './migration/agent-handle.ts';
import { createNetwork } from './migration/network.ts';
import { runs } from './migration/outcome.ts';
import { createRig, expectAlive, type Move, type Rig } from './migration/rig.ts';
import { inSoak, sample } from './migration/soak.ts';

/** Late at once, so that the memory takes as long to follow as this many seconds per MiB. */
const post = (bandwidthPerMigration: string) => ({
  bandwidthPerMigration,
  maxDowntimeMs: 1,
  completionTimeoutPerGiB: 1,
  allowPostCopy: true,
});
const GUEST = { ballastBytes: 0, guest: { pagesPerBeat: 64, beatsPerWrite: 50 } };

/** Two nodes that reach the same disk. */
async function sharedRig(bandwidth: string | undefined): Promise<Rig> {
  const configuration = bandwidth === undefined ? { allowPostCopy: true } : post(bandwidth);
  const rig = await createRig({ configuration, ...GUEST });
  const onShared = { prepare: async () => ({ backings: [rawFile(rig.sourceImage)] }) };
  return {
    ...rig,
    targetImage: rig.sourceImage,
    targetOptions: (changes) => rig.targetOptions({ ...onShared, ...changes }),
    sourceOptions: (target, changes) => rig.sourceOptions(target, { copyDisks: [], ...changes }),
    start: (changes = {}) =>
      rig.start({ source: { copyDisks: [], ...changes.source }, target: { ...onShared, ...changes.target } }),
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

async function expectRunsOn(rig: Rig, machine: Machine | undefined, other: Machine | undefined): Promise<void> {
  expect([await runs(machine), await runs(other)]).toEqual([true, false]);
  using serial = watchSerial(rig.targetDirectory);
  const mine = machine?.directory === rig.machine.directory ? rig.serial : serial;
  if (machine !== undefined) await expectAlive(machine, mine, rig.sourceImage, rig.serial.highest('W'));
}

async function restart(rig: Rig, role: 'source' | 'target', progress?: ProgressKeeper) {
  const directory = role === 'source' ? rig.machine.directory : rig.targetDirectory;
  let machine: Machine | undefined;
  const [migration] = await recoverMigrations({
    journalDir: rig.journals[role],
    hypervisor: rig.hypervisor,
    machineAt: async () => (machine = await rig.hypervisor.adopt(directory)),
    progressOf: () => progress,
    log: silentLogger,
  });
  if (migration === undefined) throw new Error('Nothing was recovered');
  rig.onEnd(() => migration.close());
  rig.track(machine);
  return { migration, machine };
}

describe.skipIf(!hostHasPostCopy())(`post-copy (${NEEDS_POST_COPY})`, () => {
  it('takes a guest that does not converge to its target, and keeps the source until all of it is there [SLM 5.3 #49]', async () => {
    await using rig = await sharedRig('512Ki');
    const seen: SideStatus[] = [];
    const { source, target } = await rig.start({ source: { onStatus: (status) => seen.push(status) } });
    expect(await source.done).toMatchObject({ result: 'succeeded' });
    expect(await target.done).toMatchObject({ result: 'running' });
    expect(seen.at(-1)).toMatchObject({ phase: 'Done', mode: 'PostCopy' });
    expect(await rig.machine.state()).toBe('gone');
    await expectRunsOn(rig, target.machine(), undefined);
  });

  it('is not used for a guest that converges', async () => {
    await using rig = await sharedRig(undefined);
    const modes = new Set<string | undefined>();
    const { source, target } = await rig.start({ source: { onStatus: ({ mode }) => modes.add(mode) } });
    expect(await source.done).toMatchObject({ result: 'succeeded' });
    await target.done;
    expect([...modes]).toEqual([undefined]);
    await expectRunsOn(rig, target.machine(), undefined);
  });

  it('is not used where it must not be: the guest is paused instead', async () => {
    await using rig = await sharedRig('2Mi');
    const modes = new Set<string | undefined>();
    const noticedIn: string[] = [];
    const { source, target } = await rig.start({
      source: {
        onStatus({ mode, phase, notice }) {
          modes.add(mode);
          if (notice?.includes('because volumes are copied') === true) noticedIn.push(phase);
        },
        postCopyProblem: 'volumes are copied as well',
      },
    });
    const outcome = await source.done;
    await target.done;
    expect(noticedIn[0]).toBe('Converging');
    expect(modes).not.toContain('PostCopy');
    // Under a limit this tight the pause may be too short for the deadline as well.
    const arrived = outcome.result === 'succeeded';
    if (!arrived) expect(outcome).toMatchObject({ reason: expect.stringContaining('because volumes are copied') });
    await expectRunsOn(rig, arrived ? target.machine() : rig.machine, arrived ? undefined : target.machine());
  });

  it.each(['the QEMU of the source', 'the QEMU of the target'])(
    'declares the guest dead when %s dies',
    async (what) => {
      await using rig = await sharedRig('64Ki');
      const { move, serving } = await startServing(rig);
      await serving;
      const victim = what.endsWith('source') ? rig.machine : move.target.machine();
      signal(victim?.pid, 'SIGKILL');
      const reason = expect.stringContaining('died in post-copy');
      expect(await move.source.done).toMatchObject({ result: 'failed', sourceRunning: false, reason });
      expect(await move.target.done).toMatchObject({ result: 'lost', torn: true });
      expect([await rig.machine.state(), await move.target.machine()?.state()]).toEqual(['gone', 'gone']);
      const acknowledged = Math.max(rig.serial.highest('W'), move.targetSerial.highest('W'));
      const check = await checkBootSectorDisk(rig.sourceImage, acknowledged);
      expect(check).toMatchObject({ missing: [], corrupt: [] });
    },
  );

  it.each(sample(['one carrier after the other'], ['the carrier of the target', 'the carrier of the source']))(
    'joins both sides again when %s dies',
    { timeout: 180_000 },
    async (what) => {
      await using rig = await sharedRig('32Ki');
      const { move, serving } = await startServing(rig);
      await serving;
      const [target, source] = carrierPids();
      signal(what.endsWith('source') ? source : target, 'SIGKILL');
      const again = await flowsAgain(move, [target, source]);
      if (what.startsWith('one')) {
        signal(again.at(-1), 'SIGKILL');
        await flowsAgain(move, [target, source, ...again]);
      }
      // The rest may come at once.
      await rig.machine.setMigrateParameters({ bandwidthBytesPerSecond: 0 });
      const outcome = await move.source.done;
      expect(outcome).toMatchObject({ result: 'succeeded' });
      const rejoined = outcome.timeline.filter(({ step }) => step === 'joined again');
      expect(rejoined).toHaveLength(what.startsWith('one') ? 2 : 1);
      expect(await move.target.done).toMatchObject({ result: 'running' });
      await expectRunsOn(rig, move.target.machine(), undefined);
    },
  );

  it('declares the guest dead, and why, when the connection breaks while both QEMUs compare what has arrived', async () => {
    await using rig = await sharedRig('64Ki');
    let halted = false;
    const move = await rig.start({
      target: {
        onStatus({ hindrance }) {
          if (halted || hindrance === undefined) return;
          halted = true;
          // It waits to be joined: the kernel takes the connection, and nobody answers.
          signal(move.target.machine()?.pid, 'SIGSTOP');
        },
      },
    });
    await servingOf(move);
    const before = carrierPids();
    signal(before.at(-1), 'SIGKILL');
    await waitFor(async () => (await rig.machine.memory()).status === 'postcopy-recover', {
      timeoutMs: 60_000,
      what: 'the source to be joined',
    });
    signal(carrierPids().at(-1), 'SIGKILL');
    const reason = expect.stringContaining('broke again');
    expect(await move.source.done).toMatchObject({ result: 'failed', sourceRunning: false, reason });
    expect(await move.target.done).toMatchObject({ result: 'lost', torn: true, reason });
    expect([await rig.machine.state(), await move.target.machine()?.state()]).toEqual(['gone', 'gone']);
  });

  it.runIf(inSoak)('declares the guest dead, and why, when the network swallows the last of its memory', async () => {
    await using rig = await sharedRig('64Ki');
    const target = startTargetOf(rig);
    await using network = await createNetwork(await target.listening);
    const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports: network.ports }));
    rig.onEnd(() => source.close());
    await servingOf({ source });
    network.becomes('hang', 'memory');
    const reason = expect.stringContaining('with the last of the memory on it');
    expect(await source.done).toMatchObject({ result: 'failed', sourceRunning: false, reason });
    expect(await target.done).toMatchObject({ result: 'lost', torn: true, reason });
    expect([await rig.machine.state(), await target.machine()?.state()]).toEqual(['gone', 'gone']);
  });

  it('gives the guest back when the stream breaks before the commit', async () => {
    await using rig = await sharedRig('256Ki');
    const agent = await agentOf(rig, 'target', {
      haltIn: 'Ready',
      configuration: post('256Ki'),
      image: rig.sourceImage,
    });
    const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports: await portsOf(agent) }));
    rig.onEnd(() => source.close());
    await agent.said('halted');
    signal(carrierPids().at(-1), 'SIGKILL');
    await agent.kill();
    const { migration, machine } = await restart(rig, 'target');
    expect(await migration.done).toMatchObject({ result: 'aborted' });
    expect(await source.done).toMatchObject({ result: 'failed', sourceRunning: true });
    await expectRunsOn(rig, rig.machine, machine);
  });

  it('ends the guest when that is asked for, which a migration that is too late does not', async () => {
    await using rig = await sharedRig('64Ki');
    const { move, serving } = await startServing(rig);
    await serving;
    const ended = move.source.abort('nobody wants it any more');
    const tooLate = () => /too late .*nobody wants it/.test(move.source.status().hindrance ?? '');
    await waitFor(tooLate, { timeoutMs: 30_000, what: 'to be told that it is too late' });
    await move.targetSerial.past('H', 0, 60_000);
    move.target.endGuest('ask'); // it does not hear ACPI
    move.target.endGuest('force');
    const reason = expect.stringContaining('VMI was deleted');
    expect(await ended).toMatchObject({ result: 'failed', sourceRunning: false, reason });
    expect(await move.target.done).toMatchObject({ result: 'lost', torn: true, reason });
    expect([await rig.machine.state(), await move.target.machine()?.state()]).toEqual(['gone', 'gone']);
    const acknowledged = Math.max(rig.serial.highest('W'), move.targetSerial.highest('W'));
    expect(await checkBootSectorDisk(rig.sourceImage, acknowledged)).toMatchObject({ missing: [], corrupt: [] });
  });

  it.each([
    ['SwitchingOver', 'source'],
    ['HandingOver', 'target'],
    ['Serving', 'target'],
  ])('survives kill -9 of the source agent in %s: the guest ends on the %s', async (haltIn, expected) => {
    await using rig = await sharedRig('256Ki');
    const target = startTargetOf(rig);
    const ports = await target.listening;
    await killAgentIn(rig, 'source', {
      haltIn,
      configuration: post('256Ki'),
      copyDisks: [],
      target: { host: '127.0.0.1', ports },
    });
    const bytes = { bytesTotal: 2 ** 20, bytesDone: 2 ** 19 };
    const memory = { ...bytes, dirtyBytesPerSecond: 0, iteration: 1 };
    const updatedAt = '2026-01-01T00:00:00.000Z';
    const told: MigrationProgress[] = [
      { updatedAt, stage: 'SwitchingOver', ...bytes, bytesTransferred: 2 ** 18, memory },
    ];
    const keeper: ProgressKeeper = { told: async () => told[0], tell: (figures) => void told.push(figures) };
    const { migration, machine } = await restart(rig, 'source', keeper);
    const [outcome, arrived] = await Promise.all([migration.done, target.done]);
    expect([outcome.result, arrived.result]).toEqual(
      expected === 'target' ? ['succeeded', 'running'] : ['failed', 'aborted'],
    );
    const sides = expected === 'target' ? [target.machine(), machine] : [machine, target.machine()];
    await expectRunsOn(rig, sides[0], sides[1]);
    expect(told.at(-1)).toMatchObject({ stage: expected === 'target' ? 'Done' : 'Failed' });
    for (const [at, figures] of told.entries()) {
      const last = told[at - 1] ?? figures;
      expect(figures.bytesDone).toBeGreaterThanOrEqual(last.bytesDone);
      expect(figures.bytesTransferred).toBeGreaterThanOrEqual(last.bytesTransferred ?? 0);
    }
    // Memory is followed as before the restart.
    if (haltIn === 'Serving') expect(new Set(told.map(({ bytesDone }) => bytesDone)).size).toBeGreaterThan(3);
  });

  it.each([
    ['Ready', undefined],
    ['Committed', 'target'],
    ['Running', 'target'],
  ])('survives kill -9 of the target agent in %s', async (haltIn, expected) => {
    await using rig = await sharedRig('512Ki');
    const agent = await agentOf(rig, 'target', { haltIn, configuration: post('512Ki'), image: rig.sourceImage });
    const source = startSource(rig.sourceOptions({ host: '127.0.0.1', ports: await portsOf(agent) }));
    rig.onEnd(() => source.close());
    await agent.said('halted');
    await agent.kill();
    const { migration, machine } = await restart(rig, 'target');
    const [outcome, arrived] = await Promise.all([source.done, migration.done]);
    const where = outcome.result === 'succeeded' ? 'target' : 'source';
    expect(arrived.result).toBe(where === 'target' ? 'running' : 'aborted');
    if (expected !== undefined) expect(where).toBe(expected);
    const sides = where === 'target' ? [machine, rig.machine] : [rig.machine, machine];
    await expectRunsOn(rig, sides[0], sides[1]);
  });
});

function startTargetOf(rig: Rig) {
  const target = startTarget(rig.targetOptions());
  rig.onEnd(async () => {
    await target.close();
    await target.machine()?.kill();
  });
  return target;
}

/** Resolves `serving` when the guest runs on the target with a part of its memory. */
async function startServing(rig: Rig): Promise<{ readonly move: Move; readonly serving: Promise<unknown> }> {
  const move = await rig.start();
  return { move, serving: servingOf(move) };
}

const servingOf = ({ source }: Pick<Move, 'source'>) =>
  waitFor(() => source.status().phase === 'Serving', {
    timeoutMs: 60_000,
    intervalMs: 5,
    what: 'the guest to run on its target',
  });

/** With other carriers on both sides than `before`, memory comes again. */
async function flowsAgain({ target }: Move, before: readonly (number | undefined)[]): Promise<readonly number[]> {
  const flowing = async () => {
    const now = carrierPids().filter((pid) => !before.includes(pid));
    return now.length === 2 && (await target.machine()?.memory())?.status === 'postcopy-active' && now;
  };
  return waitFor(flowing, { timeoutMs: 60_000, what: 'memory to come again' });
}

function signal(pid: number | undefined, name: 'SIGKILL' | 'SIGSTOP'): void {
  if (pid === undefined) throw new Error('There is no such process'); // 0 and below would be others
  process.kill(pid, name);
}
