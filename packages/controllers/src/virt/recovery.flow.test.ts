import { names, resources } from '@godwit/api';
import type { KubeObject, Pod, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { virtControllers } from './controllers.ts';
import { boundClaim, machine, startTestCluster } from './testing/cluster.ts';
import type { TestCluster } from './testing/cluster.ts';
import { boot } from './testing/guest.ts';

const { virtualMachines, virtualMachineInstances, pods } = resources;

const volume = (claimName: string) => [{ name: 'root', persistentVolumeClaim: { claimName } }];
const edit = { spec: { updateVolumesStrategy: 'Migration', template: { spec: { volumes: volume('root-new') } } } };

async function launcher(cluster: TestCluster, not = ''): Promise<Stored<Pod>> {
  const found = await waitFor(
    async () =>
      (await cluster.pods()).find(
        ({ metadata }) => metadata.annotations?.[names.domainAnnotation] === 'vm1' && metadata.uid !== not,
      ),
    { what: 'a launcher pod', timeoutMs: 15_000, intervalMs: 2 },
  );
  // The cast is safe: waitFor answers what was found.
  return found as Stored<Pod>;
}

const untilVm = (cluster: TestCluster, what: string, holds: (vm: Stored<VirtualMachine>) => boolean) =>
  cluster.until<VirtualMachine>(virtualMachines, 'vm1', what, holds);
const untilVmi = (cluster: TestCluster, what: string, holds: (vmi: Stored<VirtualMachineInstance>) => boolean) =>
  cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'vm1', what, holds);

/** A guest whose disk is being copied in place, with the record that its agent has begun. */
async function copying(cluster: TestCluster, spec: Partial<VirtualMachine['spec']> = {}): Promise<Stored<Pod>> {
  cluster.seed(...boundClaim('root-old'), ...boundClaim('root-new', { shared: true }));
  const pod = await boot(cluster, machine('vm1', spec));
  await untilVm(cluster, 'Running', (vm) => vm.status?.printableStatus === 'Running');
  await cluster.merge(virtualMachines, 'vm1', edit);
  await untilVmi(cluster, 'handed over', (vmi) => vmi.status?.migrationState?.method === 'InPlace');
  // A guest that has run is started again without delay.
  const ran = [{ phase: 'Running', phaseTransitionTimestamp: '2026-01-01T00:00:00Z' }];
  await cluster.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' }, { phaseTransitionTimestamps: ran });
  await untilVm(cluster, 'recorded', (vm) => vm.status?.volumeUpdateState !== undefined);
  return pod;
}

const recovery = (vm: Stored<VirtualMachine>) =>
  vm.status?.conditions?.find(({ type }) => type === 'ManualRecoveryRequired');

/** What the agent does once a finished pod is deleted. */
async function collectPod(cluster: TestCluster, pod: Stored<Pod>): Promise<void> {
  await cluster.until<KubeObject>(
    pods,
    pod.metadata.name,
    'deleted',
    (one) => one.metadata.deletionTimestamp !== undefined,
  );
  await cluster.client.delete(pods, pod.metadata.name, 'default', { gracePeriodSeconds: 0 });
}

describe('a guest that dies while its volumes are copied [SLM H11, 6.5.5]', () => {
  it('starts again by itself on what it wrote last, and is copied anew while it runs', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await copying(cluster);
    await cluster.merge(pods, pod.metadata.name, { status: { phase: 'Failed' } }, 'status');
    const ended = await untilVmi(cluster, 'Failed', (vmi) => vmi.status?.phase === 'Failed');
    // That the record is closed proves nothing: the VMI is the only witness until an agent has spoken.
    expect(ended.status?.migrationState).toMatchObject({ failed: true });
    await new Promise((resolve) => setImmediate(resolve));
    expect((await cluster.vmi('vm1'))?.metadata.deletionTimestamp).toBeUndefined();
    await cluster.report('vm1', { settledOn: 'source' });
    await collectPod(cluster, pod);
    const again = await untilVmi(cluster, 'its successor', (vmi) => vmi.metadata.uid !== ended.metadata.uid);
    expect(again.spec.volumes).toEqual(volume('root-old'));
    const vm = await untilVm(cluster, 'created', (one) => one.status?.created === true);
    expect(vm.status?.conditions?.some(({ type }) => type === 'ManualRecoveryRequired')).toBe(false);
    expect(vm.spec.template.spec.volumes).toEqual(volume('root-new'));
    await cluster.runPod(await launcher(cluster, pod.metadata.uid), 'n1');
    await untilVmi(cluster, 'Scheduled', (vmi) => vmi.status?.phase === 'Scheduled');
    await cluster.runGuest('vm1', 'n1');
    const asked = await untilVmi(cluster, 'announced anew', (vmi) => vmi.status?.migratedVolumes !== undefined);
    expect(asked.status?.migratedVolumes?.[0]?.sourcePVCInfo?.claimName).toBe('root-old');
    await untilVm(cluster, 'back to normal', (one) => one.status?.restartsOnLastVolumes === undefined);
    expect((await cluster.vm('vm1'))?.status?.conditions?.some(({ type }) => type === 'RestartRequired')).toBe(false);
  });

  it('starts on the targets when it has run there', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await copying(cluster);
    await cluster.merge(pods, pod.metadata.name, { status: { phase: 'Failed' } }, 'status');
    const ended = await untilVmi(cluster, 'Failed', (vmi) => vmi.status?.phase === 'Failed');
    await cluster.report('vm1', { settledOn: 'target' });
    await collectPod(cluster, pod);
    const again = await untilVmi(cluster, 'its successor', (vmi) => vmi.metadata.uid !== ended.metadata.uid);
    expect(again.spec.volumes).toEqual(volume('root-new'));
  });

  it('[SLM 14] waits for a human when a user stopped it, until the volumes are set back', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const pod = await copying(cluster);
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Halted' } });
    await cluster.report('vm1', { failed: true, completed: true, settledOn: 'source' });
    const asking = await untilVm(cluster, 'asks for recovery', (vm) =>
      Boolean(
        vm.status?.conditions?.some(({ type, status }) => type === 'ManualRecoveryRequired' && status === 'True'),
      ),
    );
    const message = recovery(asking)?.message;
    expect(message).toContain('the copies (root-new) are incomplete, what it wrote last is: root on root-old');
    expect(message).not.toContain('updateVolumesStrategy');
    await collectPod(cluster, pod);
    await cluster.untilGone(virtualMachineInstances, 'vm1');
    await cluster.merge(virtualMachines, 'vm1', { spec: { runStrategy: 'Always' } });
    const held = await untilVm(cluster, 'held', (vm) =>
      Boolean(vm.status?.conditions?.some((one) => one.type === 'Failure')),
    );
    expect(held.status?.conditions?.find(({ type }) => type === 'Failure')?.reason).toBe('ManualRecoveryRequired');
    // Known for as long as it is asked for, though the witness is gone.
    expect(recovery(held)?.message).toBe(message);
    await cluster.merge(virtualMachines, 'vm1', { spec: { template: { spec: { volumes: volume('root-old') } } } });
    const back = await untilVmi(cluster, 'started', () => true);
    expect(back.spec.volumes).toEqual(volume('root-old'));
    const vm = await untilVm(cluster, 'recovered', (one) => one.status?.created === true);
    expect(vm.status?.conditions?.some(({ type }) => type === 'ManualRecoveryRequired')).toBe(false);
    expect(vm.status?.volumeUpdateState).toBeUndefined();
  });
});
