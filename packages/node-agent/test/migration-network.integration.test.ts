import type { MigrationConfiguration, MigrationProgress } from '@godwit/api';
import { watchSerial } from '@godwit/hypervisor/testing';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { startSource, startTarget, type SourceOptions } from '../src/migration/index.ts';
import { createNetwork, type Channel, type Network, type Weather } from './migration/network.ts';
import { expectOneRunner } from './migration/outcome.ts';
import { createRig, DISK_BYTES, type Move, type Rig } from './migration/rig.ts';
import { inSoak, sample } from './migration/soak.ts';

interface NetworkedMove extends Move {
  readonly network: Network;
  readonly stages: Set<MigrationProgress['stage']>;
}

/** A move whose three channels all pass through a network that a test can spoil. */
async function startMove(rig: Rig, changes: Partial<SourceOptions> = {}): Promise<NetworkedMove> {
  const target = startTarget(rig.targetOptions());
  rig.onEnd(() => target.machine()?.kill());
  rig.onEnd(() => target.close());
  const network = await createNetwork(await target.listening);
  rig.onEnd(() => network[Symbol.asyncDispose]());
  const stages = new Set<MigrationProgress['stage']>();
  const onProgress = ({ stage }: MigrationProgress) => stages.add(stage);
  const source = startSource(
    rig.sourceOptions({ host: '127.0.0.1', ports: network.ports }, { onProgress, ...changes }),
  );
  rig.onEnd(() => source.close());
  const targetSerial = watchSerial(rig.targetDirectory);
  rig.onEnd(() => targetSerial[Symbol.dispose]());
  return { source, target, targetSerial, network, stages };
}

/** The guest runs on the source as if nothing had been, with a reason that tells where it went wrong. */
async function expectGivenBack(rig: Rig, move: NetworkedMove, reason: RegExp): Promise<void> {
  const outcome = await move.source.done;
  expect(outcome, JSON.stringify(outcome)).toMatchObject({
    result: 'failed',
    sourceRunning: true,
    reason: expect.stringMatching(reason),
  });
  // The target hears of it as soon as there is a network again.
  move.network.becomes('fair');
  await expect(move.target.done).resolves.toMatchObject({ result: 'aborted' });
  expect(await rig.machine.mirrors()).toEqual([]);
  expect(await expectOneRunner(rig, rig.machine, move.target.machine())).toBe('source');
}

async function expectArrived(rig: Rig, move: NetworkedMove): Promise<void> {
  const outcome = await move.source.done;
  expect(outcome, JSON.stringify(outcome)).toMatchObject({ result: 'succeeded' });
  await expect(move.target.done).resolves.toMatchObject({ result: 'running' });
  expect(await expectOneRunner(rig, undefined, move.target.machine())).toBe('target');
}

/** One side that gives up takes its connections along: which of them is missed first is nobody's decision. */
const NETWORK = /peer agent|target agent|connection (to the target|from the source)/;
type Row = readonly [channel: Channel, weather: Weather, reason: RegExp];

describe('while disks are copied', () => {
  /** Takes longer than anything here waits for. */
  const SLOW: MigrationConfiguration = { bandwidthPerMigration: '4Mi', progressTimeout: 6 };
  const copying = async (configuration = SLOW): Promise<readonly [Rig, NetworkedMove]> => {
    const rig = await createRig({ configuration, ballastBytes: DISK_BYTES - 2 ** 20 });
    const move = await startMove(rig);
    await waitFor(async () => ((await rig.machine.mirrors())[0]?.bytesDone ?? 0) > 0, {
      timeoutMs: 30_000,
      what: 'the first bytes',
    });
    return [rig, move];
  };

  it.each(
    sample<Row>(
      [
        ['control', 'cut', NETWORK],
        ['control', 'half-open', NETWORK],
        ['block', 'cut', /rootdisk.*block connection to the target/],
        ['block', 'hang', /rootdisk.*network to it/],
      ],
      [['control', 'hang', NETWORK]],
    ),
  )('the guest stays when the %s channel is %s, and is told why', async (channel, weather, reason) => {
    const [rig, move] = await copying();
    await using _ = rig;
    move.network.becomes(weather, channel);
    await expectGivenBack(rig, move, reason);
  });

  it.runIf(inSoak)('the guest stays when the whole network is gone', async () => {
    const [rig, move] = await copying();
    await using _ = rig;
    move.network.becomes('hang');
    await expectGivenBack(rig, move, /peer agent|network/);
  });

  it('a connection for memory that was lost meanwhile is made anew', async () => {
    const [rig, move] = await copying({ bandwidthPerMigration: '16Mi' });
    await using _ = rig;
    move.network.becomes('cut', 'memory');
    move.network.becomes('fair', 'memory');
    await expectArrived(rig, move);
  });
});

describe('while memory is sent', () => {
  /** Less than a page within the downtime, and every page dirtied again before all are sent: it never ends by itself. */
  const ENDLESS: MigrationConfiguration = { bandwidthPerMigration: '384Ki', maxDowntimeMs: 1, progressTimeout: 3 };

  it.each<Row>([
    ['memory', 'cut', NETWORK],
    ['memory', 'hang', /memory/],
    ['block', 'cut', /rootdisk.*block connection to the target/],
    ['control', 'cut', NETWORK],
  ])('the guest stays when the %s channel is %s, and is told why', async (channel, weather, reason) => {
    await using rig = await createRig({
      configuration: ENDLESS,
      ballastBytes: 0,
      guest: { pagesPerBeat: 64, beatsPerWrite: 50 },
    });
    const move = await startMove(rig);
    await waitFor(() => move.stages.has('CopyingMemory'), { timeoutMs: 60_000, what: 'memory to be sent' });
    move.network.becomes(weather, channel);
    await expectGivenBack(rig, move, reason);
  });
});

describe('with the guest paused for the switch', () => {
  it.each(
    sample<Row>(
      [
        ['control', 'cut', NETWORK],
        ['control', 'hang', NETWORK],
        ['block', 'cut', NETWORK],
        ['memory', 'cut', NETWORK],
        ['memory', 'half-open', NETWORK],
      ],
      [
        ['block', 'hang', /rootdisk/],
        ['memory', 'hang', /target/],
      ],
    ),
  )('one side runs when the %s channel is %s', async (channel, weather, reason) => {
    await using rig = await createRig();
    let act = () => {};
    const move = await startMove(rig, { onStatus: ({ phase }) => phase === 'SwitchingOver' && act() });
    act = () => move.network.becomes(weather, channel);
    const { result } = await move.source.done;
    // What still had to pass may have passed before.
    if (result === 'succeeded') await expectArrived(rig, move);
    else await expectGivenBack(rig, move, reason);
  });
});

describe('once the handover is recorded', () => {
  /** A move that has the given network from the moment at which nothing but the commit is missing. */
  const committing = async (weather: Weather): Promise<readonly [Rig, NetworkedMove]> => {
    const rig = await createRig();
    let act = () => {};
    const move = await startMove(rig, { onStatus: ({ phase }) => phase === 'Recording' && act() });
    act = () => move.network.becomes(weather);
    return [rig, move];
  };

  it.runIf(inSoak)('both sides wait for a network that is gone, and agree when it is back', async () => {
    const [rig, move] = await committing('cut');
    await using _ = rig;
    await waitFor(() => move.source.status().undecided, { timeoutMs: 60_000, what: 'the source to be undecided' });
    expect(await rig.machine.state()).toBe('postmigrate');
    expect(await move.target.machine()?.state()).toBe('paused');
    move.network.becomes('fair');
    await expectArrived(rig, move);
  });

  it('a commit that the network holds back arrives with it', async () => {
    const [rig, move] = await committing('hang');
    await using _ = rig;
    await waitFor(() => move.source.status().phase === 'HandingOver', { timeoutMs: 30_000, what: 'the handover' });
    expect(await move.target.machine()?.state()).toBe('paused');
    move.network.becomes('fair');
    await expectArrived(rig, move);
  });
});

describe('a slow network', () => {
  it.runIf(inSoak)('makes a move take longer, and nothing else', async () => {
    await using rig = await createRig({ ballastBytes: 4 * 2 ** 20 });
    const move = await startMove(rig);
    move.network.becomes('slow');
    await expectArrived(rig, move);
  });

  it('that stands still for a moment makes no difference', async () => {
    await using rig = await createRig({ configuration: { bandwidthPerMigration: '8Mi' } });
    const move = await startMove(rig);
    await waitFor(async () => ((await rig.machine.mirrors())[0]?.bytesDone ?? 0) > 0, {
      timeoutMs: 30_000,
      what: 'the first bytes',
    });
    move.network.becomes('hang');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    move.network.becomes('fair');
    await expectArrived(rig, move);
  });
});
