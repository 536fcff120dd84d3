import { names, resources } from '@godwit/api';
import type { VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { virtControllers } from '../virt/controllers.ts';
import { boundClaim, machine, startTestCluster } from '../virt/testing/cluster.ts';
import type { TestCluster } from '../virt/testing/cluster.ts';
import { boot } from '../virt/testing/guest.ts';
import { condition } from '../virt/testing/objects.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations } = resources;
const wait = { timeoutMs: 15_000, intervalMs: 5 };

/** A guest on n1 that nothing can move from there: a bridge ties it to its node. */
async function bridgedGuest(cluster: TestCluster): Promise<void> {
  cluster.seed(...boundClaim('root-old'));
  await boot(cluster, machine('vm1'));
  const conditions = [
    condition('Ready'),
    condition('LiveMigratable', 'False', { reason: 'InterfaceNotLiveMigratable' }),
    condition('StorageLiveMigratable', 'False', { reason: 'NotMigratable', message: 'a bridge' }),
  ];
  await cluster.merge(virtualMachineInstances, 'vm1', { status: { conditions } });
}

const edit = {
  spec: {
    updateVolumesStrategy: 'Migration',
    template: { spec: { volumes: [{ name: 'root', persistentVolumeClaim: { claimName: 'root-new' } }] } },
  },
};

describe('a guest that cannot leave its node', () => {
  it('changes its volumes where it is, which its migration shows', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await bridgedGuest(cluster);
    cluster.seed(...boundClaim('root-new'));
    await cluster.merge(virtualMachines, 'vm1', edit);
    const migration = await waitFor(
      async () =>
        (await cluster.client.list<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations)).items.find(
          ({ status }) => status?.phase === 'TargetReady',
        ),
      { ...wait, what: 'a migration' },
    );
    expect(migration.status?.migrationState?.method).toBe('InPlace');
    expect((await cluster.vmi('vm1'))?.status?.migrationState).toMatchObject({ method: 'InPlace', targetNode: 'n1' });
    const pods = (await cluster.pods()).filter(
      (pod) => pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined,
    );
    expect(pods).toEqual([]);
    const vm = await cluster.vm('vm1');
    expect(vm?.status?.conditions?.some(({ type, status }) => type === 'RestartRequired' && status === 'True')).toBe(
      false,
    );
  });

  it('is to be restarted when its new volumes are on another node', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await bridgedGuest(cluster);
    cluster.seed(...boundClaim('root-new', { node: 'n2' }));
    await cluster.merge(virtualMachines, 'vm1', edit);
    const vm = await waitFor(
      async () => {
        const seen = await cluster.vm('vm1');
        return seen?.status?.conditions?.some(({ type, status }) => type === 'RestartRequired' && status === 'True')
          ? seen
          : undefined;
      },
      { ...wait, what: 'RestartRequired' },
    );
    expect(vm.status?.conditions?.find(({ type }) => type === 'RestartRequired')?.message).toContain('a bridge');
    expect((await cluster.vmi('vm1'))?.status?.migratedVolumes).toBeUndefined();
  });
});
