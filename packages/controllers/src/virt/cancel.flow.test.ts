import { findCondition, isTrue, names, resources } from '@godwit/api';
import type {
  KubeVirt,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { virtControllers } from './controllers.ts';
import { boundClaim, machine, migrationOf, startTestCluster } from './testing/cluster.ts';
import type { TestCluster } from './testing/cluster.ts';
import { boot, podOf, targetPod } from './testing/guest.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, kubeVirts, nodes, pods } =
  resources;
const wait = { timeoutMs: 15_000, intervalMs: 2 };

type Vmi = Stored<VirtualMachineInstance>;
const PHASES = ['Pending', 'Scheduling', 'PreparingTarget', 'TargetReady', 'Running'] as const;
type Phase = (typeof PHASES)[number];
/** From here on only the agents may say how it ends. */
const isEngaged = (phase: Phase): boolean => phase === 'TargetReady' || phase === 'Running';

const volume = (claimName: string) => [{ name: 'root', persistentVolumeClaim: { claimName } }];
const untilVm = (cluster: TestCluster, what: string, holds: (vm: Stored<VirtualMachine>) => boolean) =>
  cluster.until<VirtualMachine>(virtualMachines, 'vm1', what, holds);
const untilVmi = (cluster: TestCluster, what: string, holds: (vmi: Vmi) => boolean) =>
  cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', what, holds);
const untilMove = (
  cluster: TestCluster,
  what: string,
  holds: (move: Stored<VirtualMachineInstanceMigration>) => boolean,
) => cluster.until<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations, 'm1', what, holds);

const WAYS = ['to another node', 'in place'] as const;
type Way = (typeof WAYS)[number];
/** In place there is no target to wait for: the agents are asked at once. */
const ROWS = WAYS.flatMap((way) =>
  PHASES.filter((phase) => way === 'to another node' || isEngaged(phase)).map((phase) => [way, phase] as const),
);

/** A running guest whose volume is to change; nobody migrates by itself. */
async function announced(cluster: TestCluster, way: Way): Promise<void> {
  await waitFor(() => cluster.client.get<KubeVirt>(kubeVirts, names.kubeVirtName, names.installNamespace), {
    ...wait,
    what: 'the KubeVirt object',
  });
  const byHand = { spec: { workloadUpdateStrategy: { workloadUpdateMethods: [] } } };
  await cluster.client.patch(kubeVirts, names.kubeVirtName, names.installNamespace, { type: 'merge', patch: byHand });
  const place = way === 'in place' ? {} : { node: 'n2' };
  cluster.seed(...boundClaim('root-old'), ...boundClaim('root-new', place));
  await boot(cluster, machine('vm1', { updateVolumesStrategy: 'Migration' }));
  await untilVm(cluster, 'Running', ({ status }) => status?.printableStatus === 'Running');
  await cluster.merge(virtualMachines, 'vm1', { spec: { template: { spec: { volumes: volume('root-new') } } } });
  await untilVmi(cluster, 'announced', ({ status }) => isTrue(status?.conditions, 'VolumesChange'));
}

/** Brings migration m1 into a phase and holds it there. */
async function reach(cluster: TestCluster, way: Way, wanted: Phase): Promise<void> {
  const inPhase = (phase: Phase) => untilMove(cluster, phase, ({ status }) => status?.phase === phase);
  if (wanted === 'Pending') {
    // No node takes it in.
    await cluster.client.patch(nodes, 'n2', '', { type: 'merge', patch: { spec: { unschedulable: true } } });
  }
  await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
  if (wanted === 'Pending') {
    await untilMove(cluster, 'waiting', ({ status }) => isTrue(status?.conditions, 'migrationWaiting'));
    return;
  }
  if (way === 'to another node') {
    const target = await targetPod(cluster);
    if (wanted === 'Scheduling') return void (await inPhase('Scheduling'));
    await cluster.runPod(target, 'n2');
    await inPhase('PreparingTarget');
    if (wanted === 'PreparingTarget') return;
    await cluster.report('vm1', { targetNodeAddress: '127.0.0.1' });
  }
  await inPhase('TargetReady');
  if (wanted === 'TargetReady') return;
  await cluster.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
  await inPhase('Running');
}

const ABORTED = {
  failed: true,
  completed: true,
  abortStatus: 'Succeeded',
  failureReason: 'The move was aborted',
  endTimestamp: '2026-01-01T00:00:09Z',
  settledOn: 'source',
} as const;

/** What the source's agent does once it is asked: nothing has been decided before it says so. */
async function confirmAbort(cluster: TestCluster, phase: Phase): Promise<void> {
  if (!isEngaged(phase)) return;
  await untilVmi(cluster, 'asked to abort', ({ status }) => status?.migrationState?.abortRequested === true);
  expect((await cluster.vmim('m1'))?.status?.phase).toBe(phase);
  await cluster.report('vm1', ABORTED);
}

/** What agents do with launcher pods that are deleted, until something holds. */
async function collectPods(cluster: TestCluster, what: string, holds: (left: number) => unknown): Promise<void> {
  await waitFor(
    async () => {
      const all = await cluster.pods();
      for (const { metadata } of all.filter((pod) => pod.metadata.deletionTimestamp !== undefined))
        await cluster.client.delete(pods, metadata.name, 'default', { gracePeriodSeconds: 0 });
      return Boolean(await holds(all.length));
    },
    { ...wait, what },
  );
}

async function expectGuestUntouched(cluster: TestCluster): Promise<void> {
  await collectPods(cluster, 'one pod to be left', (left) => left === 1);
  const vmi = await cluster.vmi('vm1');
  expect(vmi?.status).toMatchObject({ phase: 'Running', nodeName: 'n1' });
  expect(vmi?.metadata.deletionTimestamp).toBeUndefined();
  await untilVmi(
    cluster,
    'free of the label',
    ({ metadata }) => metadata.labels?.[names.migrationTargetNodeLabel] === undefined,
  );
}

describe.each(ROWS)('a move %s, in %s,', (way, phase) => {
  it('is cancelled by deleting its object, and another one may follow [SLM 5.3 #42 #43]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await announced(cluster, way);
    await reach(cluster, way, phase);
    await cluster.client.delete(virtualMachineInstanceMigrations, 'm1', 'default');
    await confirmAbort(cluster, phase);
    await cluster.untilGone(virtualMachineInstanceMigrations, 'm1');
    await expectGuestUntouched(cluster);
    expect((await cluster.vmi('vm1'))?.status?.migratedVolumes).toHaveLength(1);
    await cluster.client.patch(nodes, 'n2', '', { type: 'merge', patch: { spec: { unschedulable: null } } });
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm2'));
    const { uid } = (await cluster.vmim('m2'))?.metadata ?? {};
    if (way === 'in place')
      await untilVmi(cluster, 'handed over again', ({ status }) => status?.migrationState?.migrationUid === uid);
    else expect((await targetPod(cluster)).metadata.labels?.[names.migrationJobUidLabel]).toBe(uid);
  });

  it('is cancelled by setting the volumes back: first the abort, then the spec [SLM 5.1 #11, H2]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await announced(cluster, way);
    await reach(cluster, way, phase);
    await cluster.merge(virtualMachines, 'vm1', { spec: { template: { spec: { volumes: volume('root-old') } } } });
    if (isEngaged(phase)) {
      await untilVmi(cluster, 'asked to abort', ({ status }) => status?.migrationState?.abortRequested === true);
      expect((await cluster.vmi('vm1'))?.spec.volumes).toEqual(volume('root-new'));
    }
    await confirmAbort(cluster, phase);
    const back = await untilVmi(cluster, 'reverted', ({ status }) => status?.migratedVolumes === undefined);
    expect(back.spec.volumes).toEqual(volume('root-old'));
    expect(findCondition(back.status?.conditions, 'VolumesChange')).toMatchObject({
      status: 'False',
      reason: 'VolumesChangeCancellation',
    });
    await cluster.untilGone(virtualMachineInstanceMigrations, 'm1');
    await untilVm(cluster, 'forgotten', ({ status }) => status?.volumeUpdateState === undefined);
    await expectGuestUntouched(cluster);
  });

  it('ends with a reason when the VM is stopped, which starts on its old volumes again [SLM 5.1 #14]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await announced(cluster, way);
    await reach(cluster, way, phase);
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Halted' } });
    await expectEnded(cluster, phase);
    await collectPods(cluster, 'no pod to be left', (left) => left === 0);
    await cluster.untilGone(virtualMachineInstances, 'vm1');
    await cluster.merge(virtualMachines, 'vm1', { spec: { template: { spec: { volumes: volume('root-old') } } } });
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Always' } });
    const again = await untilVmi(cluster, 'started', () => true);
    expect(again.spec.volumes).toEqual(volume('root-old'));
    expect((await podOf(cluster, 'a pod', () => true)).spec.volumes).toEqual(volume('root-old'));
    await untilVm(cluster, 'recovered', ({ status }) => !isTrue(status?.conditions, 'ManualRecoveryRequired'));
  });

  it('ends with a reason when the VMI is deleted, and the VM starts anew where its data are [SLM 5.3 #44]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await announced(cluster, way);
    await reach(cluster, way, phase);
    const before = await cluster.vmi('vm1');
    await cluster.client.delete(virtualMachineInstances, 'vm1', 'default');
    await expectEnded(cluster, phase);
    const successor = async () => {
      const vmi = await cluster.vmi('vm1');
      return vmi !== undefined && vmi.metadata.uid !== before?.metadata.uid;
    };
    await collectPods(cluster, 'its successor', successor);
    expect((await cluster.vmi('vm1'))?.spec.volumes).toEqual(volume('root-old'));
  });

  it('ends when the VM is deleted, and nothing of either is left', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await announced(cluster, way);
    await reach(cluster, way, phase);
    await cluster.client.delete(virtualMachines, 'vm1', 'default');
    await expectEnded(cluster, phase);
    await collectPods(cluster, 'no pod to be left', (left) => left === 0);
    await cluster.untilGone(virtualMachineInstances, 'vm1');
    await cluster.untilGone(virtualMachines, 'vm1');
  });

  /** The guest is going: the migration says why it failed, and the agent where the data are. */
  async function expectEnded(cluster: TestCluster, from: Phase): Promise<void> {
    const failed = await untilMove(cluster, 'Failed', ({ status }) => status?.phase === 'Failed');
    expect(findCondition(failed.status?.conditions, 'migrationFailed')).toMatchObject({
      status: 'True',
      reason: expect.stringMatching(/^VMI/),
    });
    if (isEngaged(from)) await cluster.report('vm1', ABORTED);
  }
});
