import { names, resources } from '@godwit/api';
import type { Pod, Stored, VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { virtControllers } from './controllers.ts';
import { boundClaim, machine, migrationOf, startTestCluster } from './testing/cluster.ts';
import type { TestCluster } from './testing/cluster.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, pods } = resources;

async function podOf(cluster: TestCluster, of: (pod: Stored<Pod>) => boolean): Promise<Stored<Pod>> {
  for (;;) {
    const found = (await cluster.pods()).find(of);
    if (found) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function boot(
  cluster: TestCluster,
  name: string,
  { shared = false }: { shared?: boolean } = {},
): Promise<Stored<Pod>> {
  cluster.seed(...boundClaim('root-old', { shared }));
  await cluster.client.create(virtualMachines, machine(name));
  await cluster.until<VirtualMachineInstance>(
    virtualMachineInstances,
    name,
    'Scheduling',
    (vmi) => vmi.status?.phase === 'Scheduling',
  );
  const pod = await podOf(cluster, (one) => one.metadata.annotations?.[names.domainAnnotation] === name);
  await cluster.runPod(pod, 'n1');
  await cluster.until<VirtualMachineInstance>(
    virtualMachineInstances,
    name,
    'Scheduled',
    (vmi) => vmi.status?.phase === 'Scheduled',
  );
  await cluster.runGuest(name, 'n1');
  await cluster.until<VirtualMachine>(
    virtualMachines,
    name,
    'Running',
    (vm) => vm.status?.printableStatus === 'Running',
  );
  return pod;
}

function inPhase(cluster: TestCluster, name: string, phase: string): Promise<Stored<VirtualMachineInstanceMigration>> {
  return cluster.until<VirtualMachineInstanceMigration>(
    virtualMachineInstanceMigrations,
    name,
    phase,
    (vmim) => vmim.status?.phase === phase,
  );
}

/** The migration that the workload updater creates for a volume change. */
async function automatic(cluster: TestCluster): Promise<Stored<VirtualMachineInstanceMigration>> {
  for (;;) {
    const { items } = await cluster.client.list<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations, {
      labelSelector: `${names.volumeUpdateMigrationLabel}=vm1`,
    });
    if (items[0]) return items[0];
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const phasesOf = (vmim: VirtualMachineInstanceMigration): string[] =>
  (vmim.status?.phaseTransitionTimestamps ?? []).map(({ phase }) => phase);

describe('a VM in a cluster', () => {
  it('starts, is ready, and makes room for the next guest after a crash', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await boot(cluster, 'vm1');
    const vm = await cluster.vm('vm1');
    expect(vm?.status).toMatchObject({ created: true, ready: true, lastVolumes: { root: 'root-old' } });
    expect(pod.spec.volumes).toEqual([{ name: 'root', persistentVolumeClaim: { claimName: 'root-old' } }]);
    await cluster.merge(pods, pod.metadata.name, { status: { phase: 'Failed' } }, 'status');
    const ended = await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'its deletion',
      (vmi) => vmi.metadata.deletionTimestamp !== undefined,
    );
    expect(ended.status?.phase).toBe('Failed');
    await cluster.until<Pod>(
      pods,
      pod.metadata.name,
      'its deletion',
      (one) => one.metadata.deletionTimestamp !== undefined,
    );
  });

  it('halts when told to', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await boot(cluster, 'vm1');
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Halted' } });
    await cluster.until<Pod>(pods, pod.metadata.name, 'deleted', (one) => one.metadata.deletionTimestamp !== undefined);
    const stopping = await cluster.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'Stopping',
      (vm) => vm.status?.printableStatus === 'Stopping',
    );
    expect(stopping.status?.created).toBe(true);
  });
});

describe('a move to another node', () => {
  it('walks all phases in order and hands over in one record [SLM 5.4 #64 #65, 6.4 #5 #8]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const source = await boot(cluster, 'vm1', { shared: true });
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const target = await podOf(cluster, (pod) => pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined);
    expect(JSON.stringify(target.spec.affinity)).toContain('podAntiAffinity');
    await cluster.runPod(target, 'n2');
    await inPhase(cluster, 'm1', 'PreparingTarget');
    const handed = await cluster.vmi('vm1');
    expect(handed?.status?.migrationState).toMatchObject({
      sourceNode: 'n1',
      sourcePod: source.metadata.name,
      targetNode: 'n2',
      targetPod: target.metadata.name,
      migrationConfiguration: { parallelMigrationsPerCluster: 5 },
    });
    expect(handed?.metadata.labels?.[names.migrationTargetNodeLabel]).toBe('n2');
    await cluster.report('vm1', { targetNodeAddress: '127.0.0.1', targetDirectMigrationNodePorts: { '4000': 0 } });
    await inPhase(cluster, 'm1', 'TargetReady');
    // Nothing is copied yet.
    expect((await cluster.vm('vm1'))?.status?.printableStatus).toBe('Running');
    await cluster.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
    await inPhase(cluster, 'm1', 'Running');
    await cluster.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'Migrating',
      (vm) => vm.status?.printableStatus === 'Migrating',
    );
    await cluster.report(
      'vm1',
      { completed: true, endTimestamp: '2026-01-01T00:00:09Z', targetNodeDomainReadyTimestamp: '2026-01-01T00:00:09Z' },
      { nodeName: 'n2' },
    );
    const done = await inPhase(cluster, 'm1', 'Succeeded');
    expect(phasesOf(done)).toEqual([
      'Pending',
      'Scheduling',
      'Scheduled',
      'PreparingTarget',
      'TargetReady',
      'Running',
      'Succeeded',
    ]);
    const ended = await cluster.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'm1',
      'a copy of the record',
      (vmim) => vmim.status?.migrationState?.completed === true,
    );
    expect(ended.metadata.finalizers ?? []).toEqual([]);
    await cluster.until<Pod>(
      pods,
      target.metadata.name,
      'the time of arrival [SLM 1.9]',
      (pod) => pod.metadata.annotations?.[names.migrationTargetReadyAnnotation] === '2026-01-01T00:00:09Z',
    );
    await cluster.until<Pod>(
      pods,
      source.metadata.name,
      'source pod deleted',
      (pod) => pod.metadata.deletionTimestamp !== undefined,
    );
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'label gone',
      (vmi) => vmi.metadata.labels?.[names.migrationTargetNodeLabel] === undefined,
    );
    expect((await cluster.vmi('vm1'))?.status?.phase).toBe('Running');
  });

  it('goes to the nodes that the running VM names from now on [SLM 2.3]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await boot(cluster, 'vm1', { shared: true });
    const nodeSelector = { [names.hostnameLabel]: 'n2' };
    await cluster.merge(virtualMachines, 'vm1', { spec: { template: { spec: { nodeSelector } } } });
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'the new rule',
      ({ spec }) => spec.nodeSelector?.[names.hostnameLabel] === 'n2',
    );
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const target = await podOf(cluster, (pod) => pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined);
    expect(target.spec.nodeSelector).toMatchObject(nodeSelector);
    const vm = await cluster.vm('vm1');
    expect(vm?.status?.conditions?.some(({ type }) => type === 'RestartRequired')).toBe(false);
  });

  it('is cancelled by deletion: nothing of it stays, the guest does not notice', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await boot(cluster, 'vm1', { shared: true });
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    await podOf(cluster, (pod) => pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined);
    await cluster.client.delete(virtualMachineInstanceMigrations, 'm1', 'default');
    await cluster.untilGone(virtualMachineInstanceMigrations, 'm1');
    expect((await cluster.pods()).length).toBe(1);
    expect((await cluster.vmi('vm1'))?.status?.migrationState).toBeUndefined();
  });

  it('once the agents are engaged, a deleted migration stays until they confirm', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await boot(cluster, 'vm1', { shared: true });
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const target = await podOf(cluster, (pod) => pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined);
    await cluster.runPod(target, 'n2');
    await inPhase(cluster, 'm1', 'PreparingTarget');
    await cluster.report('vm1', { targetNodeAddress: '127.0.0.1' });
    await inPhase(cluster, 'm1', 'TargetReady');
    await cluster.client.delete(virtualMachineInstanceMigrations, 'm1', 'default');
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'abort requested',
      (vmi) => vmi.status?.migrationState?.abortRequested === true,
    );
    expect((await cluster.vmim('m1'))?.status?.phase).toBe('TargetReady');
    await cluster.report('vm1', {
      failed: true,
      completed: true,
      abortStatus: 'Succeeded',
      failureReason: 'aborted',
      endTimestamp: '2026-01-01T00:00:09Z',
    });
    await cluster.untilGone(virtualMachineInstanceMigrations, 'm1');
    await cluster.until<Pod>(
      pods,
      target.metadata.name,
      'target pod deleted',
      (pod) => pod.metadata.deletionTimestamp !== undefined,
    );
  });
});

describe('moving volumes', () => {
  const edit = {
    spec: {
      updateVolumesStrategy: 'Migration',
      template: { spec: { volumes: [{ name: 'root', persistentVolumeClaim: { claimName: 'root-new' } }] } },
    },
  };

  it('writes the list, then the spec, then asks; in place when the node can reach the target [SLM 6.4 #2 #3 #4]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await boot(cluster, 'vm1');
    cluster.seed(...boundClaim('root-new', { shared: true }));
    await cluster.merge(virtualMachines, 'vm1', edit);
    const asked = await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'VolumesChange',
      (vmi) => vmi.status?.conditions?.some((one) => one.type === 'VolumesChange' && one.status === 'True') === true,
    );
    expect(asked.spec.volumes?.[0]?.persistentVolumeClaim?.claimName).toBe('root-new');
    expect(asked.status?.migratedVolumes?.[0]).toMatchObject({
      volumeName: 'root',
      sourcePVCInfo: { claimName: 'root-old' },
      destinationPVCInfo: { claimName: 'root-new' },
    });
    const m1 = (await automatic(cluster)).metadata.name;
    const asking = await inPhase(cluster, m1, 'TargetReady');
    expect(asking.metadata.name).toMatch(/^kubevirt-workload-update-/);
    expect(asking.spec.priority).toBe('user-triggered');
    const handed = await cluster.vmi('vm1');
    expect(handed?.status?.migrationState).toMatchObject({
      method: 'InPlace',
      sourceNode: 'n1',
      targetNode: 'n1',
      targetPod: pod.metadata.name,
    });
    expect(handed?.status?.migrationState?.volumes).toHaveLength(1);
    expect(await cluster.pods()).toHaveLength(1);
    await cluster.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
    await inPhase(cluster, m1, 'Running');
    await cluster.report('vm1', { completed: true, endTimestamp: '2026-01-01T00:00:09Z' });
    await inPhase(cluster, m1, 'Succeeded');
    const vmi = await cluster.vmi('vm1');
    expect(vmi?.status?.migratedVolumes).toBeUndefined();
    expect(vmi?.status?.conditions?.some((one) => one.type === 'VolumesChange')).toBe(false);
    const vm = await cluster.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'new home of its data',
      (one) => one.status?.lastVolumes?.['root'] === 'root-new',
    );
    expect(vm.status?.volumeUpdateState?.volumeMigrationState?.migratedVolumes).toHaveLength(1);
    expect(vm.status?.conditions?.some((one) => one.type === 'RestartRequired')).toBe(false);
  });

  it('is held with numbers when the target is too small', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await boot(cluster, 'vm1');
    cluster.seed(...boundClaim('root-new', { shared: true, size: '512Mi' }));
    await cluster.merge(virtualMachines, 'vm1', edit);
    const held = await cluster.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'held',
      (vm) => vm.status?.conditions?.some((one) => one.type === 'VolumesChange') === true,
    );
    const condition = held.status?.conditions?.find((one) => one.type === 'VolumesChange');
    expect(condition).toMatchObject({ status: 'False', reason: 'TargetTooSmall' });
    expect(condition?.message).toContain('536870912');
    expect((await cluster.vmi('vm1'))?.status?.migratedVolumes).toBeUndefined();
  });

  it('going back aborts the copy first and reverts afterwards', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await boot(cluster, 'vm1');
    cluster.seed(...boundClaim('root-new', { node: 'n2' }));
    await cluster.merge(virtualMachines, 'vm1', edit);
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'VolumesChange',
      (vmi) => vmi.status?.conditions?.some((one) => one.type === 'VolumesChange' && one.status === 'True') === true,
    );
    const m1 = (await automatic(cluster)).metadata.name;
    const target = await podOf(cluster, (pod) => pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined);
    await cluster.runPod(target, 'n2');
    await inPhase(cluster, m1, 'PreparingTarget');
    await cluster.report('vm1', { targetNodeAddress: '127.0.0.1' });
    await inPhase(cluster, m1, 'TargetReady');
    await cluster.merge(virtualMachines, 'vm1', {
      spec: { template: { spec: { volumes: [{ name: 'root', persistentVolumeClaim: { claimName: 'root-old' } }] } } },
    });
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'abort requested',
      (vmi) => vmi.status?.migrationState?.abortRequested === true,
    );
    const copying = await cluster.vmi('vm1');
    expect(copying?.spec.volumes?.[0]?.persistentVolumeClaim?.claimName).toBe('root-new');
    expect(copying?.status?.migratedVolumes).toHaveLength(1);
    await cluster.report('vm1', {
      failed: true,
      completed: true,
      abortStatus: 'Succeeded',
      endTimestamp: '2026-01-01T00:00:09Z',
    });
    const back = await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'reverted',
      (vmi) => vmi.status?.migratedVolumes === undefined,
    );
    expect(back.spec.volumes?.[0]?.persistentVolumeClaim?.claimName).toBe('root-old');
    expect(back.status?.conditions?.find((one) => one.type === 'VolumesChange')).toMatchObject({
      status: 'False',
      reason: 'VolumesChangeCancellation',
    });
    await cluster.untilGone(virtualMachineInstanceMigrations, m1);
    await cluster.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'record cleared',
      (vm) => vm.status?.volumeUpdateState === undefined,
    );
  });
});
