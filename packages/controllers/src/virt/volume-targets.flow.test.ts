import { findCondition, isTrue, names, resources } from '@godwit/api';
import type {
  KubeObject,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  Volume,
} from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { expect, it } from 'vitest';
import { virtControllers } from './controllers.ts';
import { boundClaim, machine, startTestCluster } from './testing/cluster.ts';
import type { TestCluster } from './testing/cluster.ts';
import { boot } from './testing/guest.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations } = resources;
const wait = { timeoutMs: 15_000, intervalMs: 2 };

const claim = (claimName: string): Volume => ({ name: 'root', persistentVolumeClaim: { claimName } });
const dataVolume = (name: string): Volume => ({ name: 'root', dataVolume: { name } });

async function guest(cluster: TestCluster): Promise<void> {
  cluster.seed(...boundClaim('root-old', { shared: true }));
  await boot(cluster, machine('vm1', { updateVolumesStrategy: 'Migration' }));
}

const toVolume = (cluster: TestCluster, volume: Volume) =>
  cluster.merge(virtualMachines, 'vm1', { spec: { template: { spec: { volumes: [volume] } } } });

const change = (object: VirtualMachine | VirtualMachineInstance) =>
  findCondition(object.status?.conditions, 'VolumesChange');

function untilAsked(cluster: TestCluster): Promise<Stored<VirtualMachineInstance>> {
  const asked = (vmi: VirtualMachineInstance) => change(vmi)?.status === 'True';
  return cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'asked for', asked);
}

function filled(name: string): KubeObject {
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name, namespace: 'default' },
    spec: { source: { blank: {} } },
    status: { phase: 'Succeeded' },
  };
}

it.each<[string, Volume, KubeObject[], RegExp]>([
  ['claim', claim('root-new'), [], /PVC root-new/],
  ['DataVolume', dataVolume('root-new'), [filled('root-new')], /DataVolume root-new/],
])(
  'a %s that does not exist yet is waited for by name, and the move goes on once it is there [SLM 5.1 #7]',
  async (_, volume, more, named) => {
    await using cluster = await startTestCluster(virtControllers);
    await guest(cluster);
    await toVolume(cluster, volume);
    const held = await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'held',
      (vmi) => change(vmi)?.status === 'False',
    );
    expect(change(held)?.message).toMatch(named);
    expect(held.status?.migratedVolumes).toBeUndefined();
    expect(held.spec.volumes).toEqual([claim('root-old')]);
    cluster.seed(...boundClaim('root-new', { shared: true }), ...more);
    expect((await untilAsked(cluster)).spec.volumes).toEqual([volume]);
  },
);

it('a volume that has moved moves back in the same way, without a restart [SLM 5.1 #3 #5]', async () => {
  await using cluster = await startTestCluster(virtControllers);
  await guest(cluster);
  cluster.seed(...boundClaim('root-new', { shared: true }));
  const done = new Set<string>();
  for (const target of ['root-new', 'root-old']) {
    await toVolume(cluster, claim(target));
    const migration = await waitFor(
      async () => {
        const { items } = await cluster.client.list<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations, {
          labelSelector: `${names.volumeUpdateMigrationLabel}=vm1`,
        });
        return items.find(({ metadata }) => !done.has(metadata.name));
      },
      { ...wait, what: `a migration to ${target}` },
    );
    const { name } = migration.metadata;
    done.add(name);
    const inPhase = (wanted: string) =>
      cluster.until<VirtualMachineInstanceMigration>(
        virtualMachineInstanceMigrations,
        name,
        wanted,
        ({ status }) => status?.phase === wanted,
      );
    await inPhase('TargetReady');
    await cluster.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
    await inPhase('Running');
    await cluster.report('vm1', { completed: true, endTimestamp: '2026-01-01T00:00:09Z' });
    await inPhase('Succeeded');
    const moved = await cluster.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      `on ${target}`,
      ({ status }) => status?.lastVolumes?.['root'] === target,
    );
    expect(findCondition(moved.status?.conditions, 'RestartRequired')).toBeUndefined();
    const vmi = await cluster.vmi('vm1');
    expect(vmi?.spec.volumes).toEqual([claim(target)]);
    expect(vmi?.status?.migratedVolumes).toBeUndefined();
  }
  expect(done.size).toBe(2);
});

it('a change of the roll-out strategy reaches VMs whose edits wait for a restart', async () => {
  await using cluster = await startTestCluster(virtControllers);
  await guest(cluster);
  const rollOut = (vmRolloutStrategy: string) =>
    cluster.client.patch(resources.kubeVirts, names.kubeVirtName, names.installNamespace, {
      type: 'merge',
      patch: { spec: { configuration: { vmRolloutStrategy } } },
    });
  await rollOut('Stage');
  cluster.seed(...boundClaim('root-new', { shared: true }));
  await toVolume(cluster, claim('root-new'));
  await cluster.until<VirtualMachine>(virtualMachines, 'vm1', 'staged', ({ status }) =>
    isTrue(status?.conditions, 'RestartRequired'),
  );
  await rollOut('LiveUpdate');
  expect((await untilAsked(cluster)).spec.volumes).toEqual([claim('root-new')]);
});
