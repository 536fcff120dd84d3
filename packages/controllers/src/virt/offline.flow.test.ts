import { copyMarks, copyOrderOf, copyReportOf, hasCopyMarks, resources } from '@godwit/api';
import type { KubeObject, PersistentVolumeClaim, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storage } from '../storage/controller.ts';
import { storageMarks } from '../storage/marks.ts';
import { virtControllers } from './controllers.ts';
import { boundClaim, machine, startTestCluster } from './testing/cluster.ts';
import type { TestCluster } from './testing/cluster.ts';

const { persistentVolumeClaims, virtualMachines, virtualMachineInstances } = resources;

const volume = (claimName: string) => [{ name: 'root', persistentVolumeClaim: { claimName } }];
const template = (claimName: string) => ({ template: { spec: { volumes: volume(claimName) } } });

const untilVm = (cluster: TestCluster, what: string, holds: (vm: Stored<VirtualMachine>) => boolean) =>
  cluster.until<VirtualMachine>(virtualMachines, 'vm1', what, holds);
const untilClaim = (cluster: TestCluster, what: string, holds: (pvc: Stored<PersistentVolumeClaim>) => boolean) =>
  cluster.until<PersistentVolumeClaim>(persistentVolumeClaims, 'root-new', what, holds);
const reasonOf = (vm: VirtualMachine, type = 'VolumesCopied'): string | undefined =>
  vm.status?.conditions?.find((one) => one.type === type)?.reason;

const readyNode: KubeObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1' },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
};

/** A stopped VM that has run on root-old and whose template names root-new. */
async function repointed(cluster: TestCluster): Promise<void> {
  const stopped = machine('vm1', { runStrategy: 'Halted', updateVolumesStrategy: 'Migration' });
  stopped.spec.template.spec.volumes = volume('root-new');
  cluster.seed(readyNode, ...boundClaim('root-old'), ...boundClaim('root-new'));
  cluster.seed({ ...stopped, status: { lastVolumes: { root: 'root-old' } } });
}

/** What the node agent says about the copy that is ordered. */
async function say(cluster: TestCluster, phase: string, message = ''): Promise<void> {
  const pvc = await untilClaim(cluster, 'an order', (one) => copyOrderOf(one) !== undefined);
  const annotations = {
    [copyMarks.reportId]: copyOrderOf(pvc)?.id ?? '',
    [copyMarks.phase]: phase,
    [copyMarks.message]: message,
  };
  await cluster.merge(persistentVolumeClaims, 'root-new', { metadata: { annotations } });
}

describe('[SLM H9, 6.5.12] a stopped VM whose volumes are re-pointed', () => {
  it('has them copied before it starts, and starts on them then', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await repointed(cluster);
    const pvc = await untilClaim(cluster, 'an order', (one) => copyOrderOf(one) !== undefined);
    expect(copyOrderOf(pvc)).toMatchObject({ source: 'root-old', node: 'n1' });
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Always' } });
    await say(cluster, 'Running');
    const held = await untilVm(cluster, 'held', (vm) => reasonOf(vm, 'Failure') === 'VolumesNotCopied');
    expect(reasonOf(held)).toBe('Copying');
    expect(await cluster.vmi('vm1')).toBeUndefined();
    await say(cluster, 'Succeeded');
    const vmi = await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'started', () => true);
    expect(vmi.spec.volumes).toEqual(volume('root-new'));
    const vm = await untilVm(cluster, 'settled', (one) => one.status?.created === true);
    expect(vm.status).toMatchObject({ lastVolumes: { root: 'root-new' } });
    expect(vm.status?.offlineCopy).toBeUndefined();
    expect(reasonOf(vm)).toBeUndefined();
    // Nothing is left that would keep the guest from its disk.
    const after = await cluster.get<PersistentVolumeClaim>(persistentVolumeClaims, 'root-new');
    expect(after && hasCopyMarks(after)).toBe(false);
    expect((await cluster.get<PersistentVolumeClaim>(persistentVolumeClaims, 'root-old'))?.metadata).toBeDefined();
  });

  it('has them copied also when no guest has ever run, from the disk that was prepared', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const prepared = machine('vm1', { runStrategy: 'Halted', updateVolumesStrategy: 'Migration' });
    prepared.spec.template.spec.volumes = volume('root-old');
    cluster.seed(readyNode, ...boundClaim('root-old'), ...boundClaim('root-new'), prepared);
    await untilVm(cluster, 'known', (vm) => vm.status?.lastVolumes?.['root'] === 'root-old');
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Always', ...template('root-new') } });
    const pvc = await untilClaim(cluster, 'an order', (one) => copyOrderOf(one) !== undefined);
    expect(copyOrderOf(pvc)).toMatchObject({ source: 'root-old' });
    expect(await cluster.vmi('vm1')).toBeUndefined();
    await say(cluster, 'Succeeded');
    const vmi = await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'started', () => true);
    expect(vmi.spec.volumes).toEqual(volume('root-new'));
  });

  it('does not start on a new one when the one with the data has been deleted', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const stopped = machine('vm1', { runStrategy: 'Always', updateVolumesStrategy: 'Migration' });
    stopped.spec.template.spec.volumes = volume('root-new');
    cluster.seed(readyNode, ...boundClaim('root-new'));
    cluster.seed({ ...stopped, status: { lastVolumes: { root: 'root-old' } } });
    const held = await untilVm(cluster, 'held', (vm) => reasonOf(vm) === 'SourceNotFound');
    expect(held.status?.conditions?.find((one) => one.type === 'VolumesCopied')?.message).toContain('PVC root-old');
    expect(await cluster.vmi('vm1')).toBeUndefined();
    await cluster.merge(virtualMachines, 'vm1', { spec: { updateVolumesStrategy: 'Replacement' } });
    await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'started', () => true);
  });

  it('[SLM 11] starts on the old ones when they are set back, once the node has stopped copying', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await repointed(cluster);
    await say(cluster, 'Running');
    await untilVm(cluster, 'copying', (vm) => vm.status?.offlineCopy?.volumes[0]?.phase === 'Running');
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Always', ...template('root-old') } });
    const asked = await untilClaim(cluster, 'taken back', (pvc) => copyOrderOf(pvc) === undefined);
    expect(copyReportOf(asked)?.phase).toBe('Running');
    await untilVm(cluster, 'waits', (vm) => reasonOf(vm) === 'CopyEnding');
    expect(await cluster.vmi('vm1')).toBeUndefined();
    const annotations = Object.fromEntries(Object.values(copyMarks).map((mark) => [mark, null]));
    await cluster.merge(persistentVolumeClaims, 'root-new', { metadata: { annotations } });
    const vmi = await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'started', () => true);
    expect(vmi.spec.volumes).toEqual(volume('root-old'));
  });

  it('starts on the old ones when the claim that is being filled has been deleted, which goes once the node has stopped', async () => {
    await using cluster = await startTestCluster([...virtControllers, storage]);
    await repointed(cluster);
    await say(cluster, 'Running');
    await untilClaim(
      cluster,
      'held',
      ({ metadata }) => metadata.finalizers?.includes(storageMarks.inUseFinalizer) === true,
    );
    await cluster.client.delete(persistentVolumeClaims, 'root-new', 'default');
    // Asked to stop, and not let go as long as it writes.
    const asked = await untilClaim(cluster, 'taken back', (pvc) => copyOrderOf(pvc) === undefined);
    expect(asked.metadata.deletionTimestamp).toBeDefined();
    expect(copyReportOf(asked)?.phase).toBe('Running');
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Always', ...template('root-old') } });
    const annotations = Object.fromEntries(Object.values(copyMarks).map((mark) => [mark, null]));
    await cluster.merge(persistentVolumeClaims, 'root-new', { metadata: { annotations } });
    await cluster.untilGone(persistentVolumeClaims, 'root-new');
    const vmi = await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'started', () => true);
    expect(vmi.spec.volumes).toEqual(volume('root-old'));
    await untilVm(cluster, 'forgotten', (vm) => vm.status?.offlineCopy === undefined);
  });

  it('[SLM 12] says why a copy can never be made, and does not start', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await repointed(cluster);
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Always' } });
    await say(cluster, 'Refused', 'the source disk has 2 bytes, the target claim holds 1 bytes');
    const vm = await untilVm(cluster, 'refused', (one) => reasonOf(one) === 'CopyRefused');
    const { message = '' } = vm.status?.conditions?.find((one) => one.type === 'VolumesCopied') ?? {};
    expect(message).toContain('root from root-old to root-new');
    expect(message).toContain('2 bytes');
    await untilClaim(cluster, 'cleared', (pvc) => !hasCopyMarks(pvc));
    expect(await cluster.vmi('vm1')).toBeUndefined();
    // Without the strategy the user takes the new claims as they are.
    await cluster.merge(virtualMachines, 'vm1', { spec: { updateVolumesStrategy: null } });
    const vmi = await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', 'started', () => true);
    expect(vmi.spec.volumes).toEqual(volume('root-new'));
  });
});
