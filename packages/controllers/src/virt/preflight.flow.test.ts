import { resources } from '@godwit/api';
import type { PersistentVolumeClaim, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { expect, it } from 'vitest';
import { virtControllers } from './controllers.ts';
import { boundClaim, machine, startTestCluster } from './testing/cluster.ts';
import type { TestCluster } from './testing/cluster.ts';
import { boot } from './testing/guest.ts';

const { virtualMachines, virtualMachineInstances, persistentVolumeClaims } = resources;

async function guest(cluster: TestCluster): Promise<void> {
  cluster.seed(...boundClaim('root-old'), ...boundClaim('root-new', { shared: true }));
  await boot(cluster, machine('vm1'));
}

function edit(claimName: string, updateVolumesStrategy = 'Migration'): object {
  const volumes = [{ name: 'root', persistentVolumeClaim: { claimName } }];
  return { spec: { updateVolumesStrategy, template: { spec: { volumes } } } };
}

const change = (object: VirtualMachine | VirtualMachineInstance) =>
  object.status?.conditions?.find((one) => one.type === 'VolumesChange');

it('never copies onto the disk of a stopped VM, and goes on once that has let go of it [SLM 6.5 #1]', async () => {
  await using cluster = await startTestCluster(virtControllers);
  await guest(cluster);
  const other = machine('other', { runStrategy: 'Halted' });
  other.spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: 'root-new' } }];
  await cluster.client.create(virtualMachines, other);
  await cluster.merge(virtualMachines, 'vm1', edit('root-new'));
  const held = await cluster.until<VirtualMachine>(
    virtualMachines,
    'vm1',
    'held',
    (vm) => change(vm)?.reason === 'TargetInUse',
  );
  expect(change(held)).toMatchObject({ status: 'False', message: expect.stringContaining('VirtualMachine other') });
  const vmi = await cluster.vmi('vm1');
  expect(vmi?.status?.migratedVolumes).toBeUndefined();
  expect(vmi?.spec.volumes?.[0]?.persistentVolumeClaim?.claimName).toBe('root-old');

  // With strategy Migration its disk, whatever it holds, would have to be copied from there first.
  await cluster.merge(virtualMachines, 'other', edit('root-other', 'Replacement'));
  const going = await cluster.until<Stored<VirtualMachineInstance>>(
    virtualMachineInstances,
    'vm1',
    'asked for',
    (one) => change(one)?.status === 'True',
  );
  expect(going.spec.volumes?.[0]?.persistentVolumeClaim?.claimName).toBe('root-new');
});

it('expands a target that is slightly too small, and moves the volume once it has grown [SLM 6.5 #11]', async () => {
  await using cluster = await startTestCluster(virtControllers);
  cluster.seed({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'fast', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'p',
    allowVolumeExpansion: true,
  });
  await guest(cluster);
  cluster.seed(...boundClaim('slightly', { shared: true, size: '1000Mi' }));
  await cluster.merge(virtualMachines, 'vm1', edit('slightly'));
  const grown = await cluster.until<PersistentVolumeClaim>(
    persistentVolumeClaims,
    'slightly',
    'a bigger request',
    (pvc) => pvc.spec.resources?.requests?.storage === '1Gi',
  );
  expect(grown.status?.capacity?.storage).toBe('1000Mi');
  await cluster.until<VirtualMachine>(
    virtualMachines,
    'vm1',
    'told of',
    (vm) => change(vm)?.reason === 'TargetExpanding',
  );
  expect((await cluster.vmi('vm1'))?.status?.migratedVolumes).toBeUndefined();
  await cluster.merge(persistentVolumeClaims, 'slightly', { status: { capacity: { storage: '1Gi' } } }, 'status');
  const going = await cluster.until<VirtualMachineInstance>(
    virtualMachineInstances,
    'vm1',
    'asked for',
    (one) => change(one)?.status === 'True',
  );
  expect(going.spec.volumes?.[0]?.persistentVolumeClaim?.claimName).toBe('slightly');
});

it('announces nothing while no node can take the guest in, and goes on when one can [SLM 6.5 #1]', async () => {
  await using cluster = await startTestCluster(virtControllers);
  await guest(cluster);
  const unschedulable = (value: boolean) =>
    cluster.client.patch(resources.nodes, 'n2', '', { type: 'merge', patch: { spec: { unschedulable: value } } });
  await unschedulable(true);
  cluster.seed(...boundClaim('elsewhere', { node: 'n2' }));
  await cluster.merge(virtualMachines, 'vm1', edit('elsewhere'));
  const held = await cluster.until<VirtualMachine>(
    virtualMachines,
    'vm1',
    'held',
    (vm) => change(vm)?.reason === 'NoCandidateNode',
  );
  expect(change(held)?.message).toContain('n2 is unschedulable');
  expect((await cluster.vmi('vm1'))?.status?.migratedVolumes).toBeUndefined();
  await unschedulable(false);
  await cluster.until<VirtualMachineInstance>(
    virtualMachineInstances,
    'vm1',
    'asked for',
    (one) => change(one)?.status === 'True',
  );
});
