import { findCondition, isTrue, names, resources } from '@godwit/api';
import type { VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { migrationOf } from '../src/virt/testing/cluster.ts';
import type { TestCluster } from '../src/virt/testing/cluster.ts';
import { addressOf, bootSource, cluster, inPhase, makeReceiver, requestMove, untilPods, wait } from './two-clusters.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, nodes } = resources;

const PHASES = ['Pending', 'Scheduling', 'PreparingTarget', 'TargetReady', 'Running'] as const;
type Phase = (typeof PHASES)[number];
/** From here on only the agents may say how it ends. */
const isEngaged = (phase: Phase): boolean => phase === 'TargetReady' || phase === 'Running';

interface Pair extends AsyncDisposable {
  readonly alpha: TestCluster;
  readonly beta: TestCluster;
}

/** A guest in alpha, and a VM in beta that waits for it. */
async function startPair(): Promise<Pair> {
  const owned = new AsyncDisposableStack();
  const alpha = owned.use(await cluster(0, [1]));
  const beta = owned.use(await cluster(1, [0]));
  await bootSource(alpha);
  await makeReceiver(beta);
  return { alpha, beta, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function cordon(of: TestCluster, unschedulable: boolean | null): Promise<void> {
  await of.client.patch(nodes, 'm1', '', { type: 'merge', patch: { spec: { unschedulable } } });
}

/** Brings the target's side of the move into a phase and holds it there. */
async function reach({ alpha, beta }: Pair, wanted: Phase): Promise<void> {
  if (wanted === 'Pending') await cordon(beta, true);
  await requestMove(alpha, beta);
  if (wanted === 'Pending') {
    await beta.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'in',
      'waiting for a node',
      ({ status }) => status?.phase === 'Pending' && isTrue(status.conditions, 'migrationWaiting'),
    );
    return;
  }
  const target = await waitFor(async () => (await beta.pods())[0], { ...wait, what: 'the target pod' });
  await inPhase(beta, 'in', 'Scheduling');
  if (wanted === 'Scheduling') return;
  await beta.runPod(target, 'm1');
  await Promise.all([inPhase(alpha, 'out', 'PreparingTarget'), inPhase(beta, 'in', 'PreparingTarget')]);
  if (wanted === 'PreparingTarget') return;
  await beta.report('vm1', {
    targetNodeAddress: '127.0.0.1',
    targetDirectMigrationNodePorts: { '4000': 0, '4001': 49152, '4002': 49153 },
  });
  await Promise.all([inPhase(alpha, 'out', 'TargetReady'), inPhase(beta, 'in', 'TargetReady')]);
  if (wanted === 'TargetReady') return;
  await alpha.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
  await Promise.all([inPhase(alpha, 'out', 'Running'), inPhase(beta, 'in', 'Running')]);
}

/** What the agent of the source says in the end. */
const ABORTED = {
  failed: true,
  completed: true,
  abortStatus: 'Succeeded',
  failureReason: 'The move was aborted',
  endTimestamp: '2026-01-01T00:00:09Z',
  settledOn: 'source',
} as const;

const untilVmi = (of: TestCluster, what: string, holds: (vmi: VirtualMachineInstance) => boolean) =>
  of.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', what, holds);

/** A migration has failed or, cancelled from the other side, is gone. It leaves its name to the next one. */
async function untilEnded(of: TestCluster, name: 'in' | 'out'): Promise<void> {
  await waitFor(
    async () => {
      const phase = (await of.vmim(name))?.status?.phase;
      return phase === undefined || phase === 'Failed';
    },
    { ...wait, what: `migration ${name} to end` },
  );
  await of.client.delete(virtualMachineInstanceMigrations, name, 'default').catch(() => undefined);
  await of.untilGone(virtualMachineInstanceMigrations, name);
}

async function untilReceiverWaits({ beta }: Pair): Promise<void> {
  await untilPods(beta, 0);
  await beta.until<VirtualMachine>(
    virtualMachines,
    'vm1',
    'WaitingForReceiver',
    (vm) => vm.status?.printableStatus === 'WaitingForReceiver',
  );
}

async function expectGuestUntouched({ alpha }: Pair): Promise<void> {
  const vmi = await untilVmi(alpha, 'tidied', ({ status }) => status?.migratedVolumes === undefined);
  expect(vmi.status).toMatchObject({ phase: 'Running', nodeName: 'n1' });
  expect(vmi.metadata.deletionTimestamp).toBeUndefined();
  expect(await alpha.pods()).toHaveLength(1);
}

describe.each(PHASES)('a move to another cluster, in %s,', (phase) => {
  it.each(['sends', 'receives'])(
    'is cancelled by deleting the object that %s, and another may follow',
    async (side) => {
      await using pair = await startPair();
      const { alpha, beta } = pair;
      await reach(pair, phase);
      await (side === 'sends' ? alpha : beta).client.delete(
        virtualMachineInstanceMigrations,
        side === 'sends' ? 'out' : 'in',
        'default',
      );
      if (isEngaged(phase)) {
        await untilVmi(alpha, 'asked to abort', ({ status }) => status?.migrationState?.abortRequested === true);
        expect((await alpha.vmim('out'))?.status?.phase).toBe(phase);
        await alpha.report('vm1', ABORTED);
      }
      await Promise.all([untilEnded(alpha, 'out'), untilEnded(beta, 'in')]);
      await expectGuestUntouched(pair);
      await untilReceiverWaits(pair);
      await cordon(beta, null);
      await requestMove(alpha, beta);
      await waitFor(async () => (await beta.pods())[0], { ...wait, what: 'the next target pod' });
    },
  );

  it('ends on both sides when the VM that the guest leaves is stopped', async () => {
    await using pair = await startPair();
    const { alpha, beta } = pair;
    await reach(pair, phase);
    await alpha.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Halted' } });
    const failed = await inPhase(alpha, 'out', 'Failed');
    expect(findCondition(failed.status?.conditions, 'migrationFailed')?.reason).toMatch(/^VMI/);
    // Both agents say so, since neither needs the clusters to hear it.
    if (isEngaged(phase)) await Promise.all([alpha.report('vm1', ABORTED), beta.report('vm1', ABORTED)]);
    await untilPods(alpha, 0);
    await alpha.untilGone(virtualMachineInstances, 'vm1');
    await untilEnded(beta, 'in');
    await untilReceiverWaits(pair);
  });

  it('ends on both sides when the VM that waits for the guest is deleted, and the guest does not notice', async () => {
    await using pair = await startPair();
    const { alpha, beta } = pair;
    await reach(pair, phase);
    await beta.client.delete(virtualMachines, 'vm1', 'default');
    if (isEngaged(phase)) {
      await inPhase(beta, 'in', 'Failed');
      // The agent of the source finds nobody there any more.
      await alpha.report('vm1', ABORTED);
    }
    await untilEnded(alpha, 'out');
    await expectGuestUntouched(pair);
    await untilPods(beta, 0);
    await beta.untilGone(virtualMachines, 'vm1');
  });
});

describe('a move to another cluster that only one of them knows', () => {
  it('is cancelled by deleting the object that sends', async () => {
    await using pair = await startPair();
    const { alpha, beta } = pair;
    const connectURL = await addressOf(beta);
    await alpha.client.create(
      virtualMachineInstanceMigrations,
      migrationOf('vm1', 'out', { sendTo: { migrationID: 'move-1', connectURL } }),
    );
    await inPhase(alpha, 'out', 'Synchronizing');
    await alpha.client.delete(virtualMachineInstanceMigrations, 'out', 'default');
    await alpha.untilGone(virtualMachineInstanceMigrations, 'out');
    await expectGuestUntouched(pair);
    expect((await alpha.vmi('vm1'))?.metadata.labels?.[names.migrationTargetNodeLabel]).toBeUndefined();
  });

  it('is cancelled by deleting the object that receives', async () => {
    await using pair = await startPair();
    const { beta } = pair;
    await beta.client.create(
      virtualMachineInstanceMigrations,
      migrationOf('vm1', 'in', { receive: { migrationID: 'move-1' } }),
    );
    await inPhase(beta, 'in', 'WaitingForSync');
    await beta.client.delete(virtualMachineInstanceMigrations, 'in', 'default');
    await beta.untilGone(virtualMachineInstanceMigrations, 'in');
    await untilReceiverWaits(pair);
  });
});
