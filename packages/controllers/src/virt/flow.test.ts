import { names, resources } from '@godwit/api';
import type { Pod, VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { virtControllers } from './controllers.ts';
import { migrationOf, startTestCluster } from './testing/cluster.ts';
import { migrationIn, runningVm, targetPod } from './testing/guest.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, pods } = resources;

const phasesOf = (vmim: VirtualMachineInstanceMigration): string[] =>
  (vmim.status?.phaseTransitionTimestamps ?? []).map(({ phase }) => phase);

describe('a VM in a cluster', () => {
  it('starts, is ready, and makes room for the next guest after a crash', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await runningVm(cluster);
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
    const pod = await runningVm(cluster);
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
    const source = await runningVm(cluster, { shared: true });
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const target = await targetPod(cluster);
    expect(JSON.stringify(target.spec.affinity)).toContain('podAntiAffinity');
    await cluster.runPod(target, 'n2');
    await migrationIn(cluster, 'm1', 'PreparingTarget');
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
    await migrationIn(cluster, 'm1', 'TargetReady');
    // Nothing is copied yet.
    expect((await cluster.vm('vm1'))?.status?.printableStatus).toBe('Running');
    await cluster.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
    await migrationIn(cluster, 'm1', 'Running');
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
    const done = await migrationIn(cluster, 'm1', 'Succeeded');
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
    await runningVm(cluster, { shared: true });
    const nodeSelector = { [names.hostnameLabel]: 'n2' };
    await cluster.merge(virtualMachines, 'vm1', { spec: { template: { spec: { nodeSelector } } } });
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'the new rule',
      ({ spec }) => spec.nodeSelector?.[names.hostnameLabel] === 'n2',
    );
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const target = await targetPod(cluster);
    expect(target.spec.nodeSelector).toMatchObject(nodeSelector);
    const vm = await cluster.vm('vm1');
    expect(vm?.status?.conditions?.some(({ type }) => type === 'RestartRequired')).toBe(false);
  });

  it('is cancelled by deletion: nothing of it stays, the guest does not notice', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await runningVm(cluster, { shared: true });
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    await targetPod(cluster);
    await cluster.client.delete(virtualMachineInstanceMigrations, 'm1', 'default');
    await cluster.untilGone(virtualMachineInstanceMigrations, 'm1');
    expect((await cluster.pods()).length).toBe(1);
    expect((await cluster.vmi('vm1'))?.status?.migrationState).toBeUndefined();
  });

  it('once the agents are engaged, a deleted migration stays until they confirm', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await runningVm(cluster, { shared: true });
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const target = await targetPod(cluster);
    await cluster.runPod(target, 'n2');
    await migrationIn(cluster, 'm1', 'PreparingTarget');
    await cluster.report('vm1', { targetNodeAddress: '127.0.0.1' });
    await migrationIn(cluster, 'm1', 'TargetReady');
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
