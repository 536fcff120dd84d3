import { names, resources } from '@godwit/api';
import type { VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { virtControllers } from './controllers.ts';
import { boundClaim, startTestCluster } from './testing/cluster.ts';
import type { TestCluster } from './testing/cluster.ts';
import { migrationIn, runningVm, targetPod } from './testing/guest.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations } = resources;

/** The migration that the workload updater creates for a volume change. */
async function automatic(cluster: TestCluster): Promise<string> {
  const labelSelector = `${names.volumeUpdateMigrationLabel}=vm1`;
  const probe = async (): Promise<string | undefined> =>
    (await cluster.client.list(virtualMachineInstanceMigrations, { labelSelector })).items[0]?.metadata.name;
  return waitFor(probe, { timeoutMs: 15_000, intervalMs: 2, what: 'a migration' });
}

describe('moving volumes', () => {
  const edit = {
    spec: {
      updateVolumesStrategy: 'Migration',
      template: { spec: { volumes: [{ name: 'root', persistentVolumeClaim: { claimName: 'root-new' } }] } },
    },
  };

  it('writes the list, then the spec, then asks; in place when the node can reach the target [SLM 6.4 #2 #3 #4]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await runningVm(cluster);
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
    const m1 = await automatic(cluster);
    const asking = await migrationIn(cluster, m1, 'TargetReady');
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
    await migrationIn(cluster, m1, 'Running');
    await cluster.report('vm1', { completed: true, endTimestamp: '2026-01-01T00:00:09Z' });
    await migrationIn(cluster, m1, 'Succeeded');
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
    await runningVm(cluster);
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
    await runningVm(cluster);
    cluster.seed(...boundClaim('root-new', { node: 'n2' }));
    await cluster.merge(virtualMachines, 'vm1', edit);
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'VolumesChange',
      (vmi) => vmi.status?.conditions?.some((one) => one.type === 'VolumesChange' && one.status === 'True') === true,
    );
    const m1 = await automatic(cluster);
    const target = await targetPod(cluster);
    await cluster.runPod(target, 'n2');
    await migrationIn(cluster, m1, 'PreparingTarget');
    await cluster.report('vm1', { targetNodeAddress: '127.0.0.1' });
    await migrationIn(cluster, m1, 'TargetReady');
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
