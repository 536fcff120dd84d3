import { names, resources } from '@godwit/api';
import type { Pod, VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import {
  authorities,
  bootSource,
  cluster,
  inPhase,
  makeReceiver,
  requestMove,
  untilPods,
  upToTargetReady,
  wait,
} from './two-clusters.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, pods, kubeVirts, configMaps } =
  resources;

const phasesOf = (one: VirtualMachineInstanceMigration): string[] =>
  (one.status?.phaseTransitionTimestamps ?? []).map(({ phase }) => phase);

describe('a move to another cluster', () => {
  it('walks both sides through all phases, ends the source for good and starts the target by its strategy', async () => {
    await using alpha = await cluster(0, [1]);
    await using beta = await cluster(1, [0]);
    const sourcePod = await bootSource(alpha);
    await makeReceiver(beta);
    const targetPod = await upToTargetReady(alpha, beta);
    const source = await alpha.vmi('vm1');
    expect(source?.status?.migrationState).toMatchObject({
      sourceNode: 'n1',
      sourcePod: sourcePod.metadata.name,
      targetNode: 'm1',
      targetPod: targetPod.metadata.name,
      targetNodeAddress: '127.0.0.1',
      targetDirectMigrationNodePorts: { '4000': 0, '4001': 49152, '4002': 49153 },
      sourceState: { nodeSelectors: { [names.accelerationLabel]: 'tcg' } },
      volumes: [
        { volumeName: 'root', sourcePVCInfo: { claimName: 'root-old' }, destinationPVCInfo: { claimName: 'root-new' } },
      ],
    });
    expect(source?.status?.migrationState?.sourceState?.syncAddress).toBeUndefined();
    expect((await beta.vmi('vm1'))?.status?.migrationState?.volumes).toEqual(source?.status?.migrationState?.volumes);
    expect(targetPod.spec.nodeSelector).toEqual({ [names.accelerationLabel]: 'tcg' });

    await alpha.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
    await Promise.all([inPhase(alpha, 'out', 'Running'), inPhase(beta, 'in', 'Running')]);
    // The source's agent has compared the disks: both clusters say so.
    const found = { result: 'Identical', verifiedAt: '2026-01-01T00:00:08.000Z', milliseconds: 5, volumes: [] };
    await alpha.merge(virtualMachineInstanceMigrations, 'out', { status: { verification: found } }, 'status');
    const told = await beta.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'in',
      'the verification',
      (one) =>
        one.status?.conditions?.some(({ type, status }) => type === 'migrationVerified' && status === 'True') === true,
    );
    expect(told.status?.verification).toEqual(found);
    await beta.report(
      'vm1',
      {
        completed: true,
        targetNodeDomainDetected: true,
        targetNodeDomainReadyTimestamp: '2026-01-01T00:00:09Z',
        endTimestamp: '2026-01-01T00:00:09Z',
      },
      { nodeName: 'm1', migratedVolumes: null, conditions: [{ type: 'Ready', status: 'True' }] },
    );
    await alpha.merge(pods, sourcePod.metadata.name, { status: { phase: 'Succeeded' } }, 'status');
    const [out, into] = await Promise.all([inPhase(alpha, 'out', 'Succeeded'), inPhase(beta, 'in', 'Succeeded')]);
    expect(phasesOf(out)).toEqual([
      'Synchronizing',
      'Pending',
      'Scheduling',
      'Scheduled',
      'PreparingTarget',
      'TargetReady',
      'Running',
      'Succeeded',
    ]);
    expect(phasesOf(into)).toEqual([
      'WaitingForSync',
      'Pending',
      'Scheduling',
      'Scheduled',
      'PreparingTarget',
      'TargetReady',
      'Running',
      'Succeeded',
    ]);
    const left = await alpha.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'Halted',
      (vm) => vm.spec.runStrategy === 'Halted',
    );
    expect(left.metadata.annotations?.['godwit.dev/moved-away']).toBeDefined();
    await beta.until<VirtualMachine>(virtualMachines, 'vm1', 'Always', (vm) => vm.spec.runStrategy === 'Always');
    const arrived = await beta.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'Running',
      (vm) => vm.status?.printableStatus === 'Running',
    );
    expect(arrived.status?.ready).toBe(true);
    expect((await beta.vmi('vm1'))?.metadata.annotations?.[names.createMigrationTargetAnnotation]).toBeUndefined();
    await beta.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'in',
      'no finalizers',
      (one) => (one.metadata.finalizers ?? []).length === 0,
    );
    await alpha.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'out',
      'no finalizers',
      (one) => (one.metadata.finalizers ?? []).length === 0,
    );
  });

  it('shows as succeeded on both sides, however late the last figures of the source come', async () => {
    await using alpha = await cluster(0, [1]);
    await using beta = await cluster(1, [0]);
    const sourcePod = await bootSource(alpha);
    await makeReceiver(beta);
    await upToTargetReady(alpha, beta);
    await alpha.report('vm1', { startTimestamp: '2026-01-01T00:00:00Z' });
    await Promise.all([inPhase(alpha, 'out', 'Running'), inPhase(beta, 'in', 'Running')]);
    const progress = { stage: 'CopyingMemory', bytesDone: 1, bytesTotal: 2 };
    await alpha.merge(virtualMachineInstanceMigrations, 'out', { status: { progress } }, 'status');
    const endTimestamp = rfc3339(Date.now());
    await beta.report(
      'vm1',
      { completed: true, targetNodeDomainReadyTimestamp: endTimestamp, endTimestamp },
      { nodeName: 'm1', migratedVolumes: null, conditions: [{ type: 'Ready', status: 'True' }] },
    );
    await alpha.merge(pods, sourcePod.metadata.name, { status: { phase: 'Succeeded' } }, 'status');
    await alpha.until<VirtualMachine>(virtualMachines, 'vm1', 'Halted', (vm) => vm.spec.runStrategy === 'Halted');
    await untilPods(alpha, 0);
    await Promise.all([inPhase(alpha, 'out', 'Succeeded'), inPhase(beta, 'in', 'Succeeded')]);
    await alpha.untilGone(virtualMachineInstances, 'vm1');
  });

  it('deleting the target migration aborts the source across clusters', async () => {
    await using alpha = await cluster(0, [1]);
    await using beta = await cluster(1, [0]);
    await bootSource(alpha);
    await makeReceiver(beta);
    const targetPod = await upToTargetReady(alpha, beta);
    await beta.client.delete(virtualMachineInstanceMigrations, 'in', 'default');
    await alpha.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'abort requested',
      (vmi) => vmi.status?.migrationState?.abortRequested === true,
    );
    await alpha.report('vm1', {
      failed: true,
      completed: true,
      abortStatus: 'Succeeded',
      failureReason: 'aborted',
      endTimestamp: '2026-01-01T00:00:09Z',
    });
    await alpha.untilGone(virtualMachineInstanceMigrations, 'out');
    await beta.untilGone(virtualMachineInstanceMigrations, 'in');
    expect((await alpha.vmi('vm1'))?.status).toMatchObject({ phase: 'Running' });
    expect((await alpha.vmi('vm1'))?.status?.migratedVolumes).toBeUndefined();
    await beta.until<Pod>(
      pods,
      targetPod.metadata.name,
      'deletion',
      (pod) => pod.metadata.deletionTimestamp !== undefined,
    );
    await beta.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'WaitingForReceiver',
      (vm) => vm.status?.printableStatus === 'WaitingForReceiver',
    );
  });

  it('says which certificate authority is missing instead of waiting in silence, and goes on once it is there', async () => {
    await using alpha = await cluster(0, []);
    await using beta = await cluster(1, []);
    await bootSource(alpha);
    await makeReceiver(beta);
    await requestMove(alpha, beta);
    await alpha.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'out',
      'blocked',
      (one) =>
        one.status?.conditions?.some(
          (condition) =>
            condition.type === 'decentralizedMigrationBlocked' && /certificate/.test(condition.message ?? ''),
        ) === true,
    );
    const both = (await authorities).map((authority) => authority.certPem).join('\n');
    for (const side of [alpha, beta]) {
      await side.client.patch(configMaps, names.caConfigMap, names.installNamespace, {
        type: 'merge',
        patch: { data: { [names.caBundleKey]: both } },
      });
    }
    await waitFor(async () => (await beta.pods())[0], { ...wait, what: 'the target pod' });
    await alpha.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'no trouble',
      (vmi) =>
        vmi.status?.conditions?.some((condition) => condition.type === 'DecentralizedLiveMigrationFailure') !== true,
    );
  });

  it('fails when the target wants the data unencrypted and the source does not', async () => {
    await using alpha = await cluster(0, [1]);
    await using beta = await cluster(1, [0]);
    await bootSource(alpha);
    await makeReceiver(beta);
    await beta.client.patch(kubeVirts, names.kubeVirtName, names.installNamespace, {
      type: 'merge',
      patch: { spec: { configuration: { migrations: { disableTLS: true } } } },
    });
    await requestMove(alpha, beta);
    const target = await waitFor(async () => (await beta.pods())[0], { ...wait, what: 'the target pod' });
    await beta.runPod(target, 'm1');
    const failed = await inPhase(alpha, 'out', 'Failed');
    expect(failed.status?.conditions?.find((one) => one.type === 'migrationFailed')?.message).toContain('disableTLS');
    await inPhase(beta, 'in', 'Failed');
    expect((await alpha.vmi('vm1'))?.status?.phase).toBe('Running');
  });

  it('fails with numbers when a volume does not fit on the other side', async () => {
    await using alpha = await cluster(0, [1]);
    await using beta = await cluster(1, [0]);
    await bootSource(alpha);
    await makeReceiver(beta, 'vm1', '512Mi');
    await requestMove(alpha, beta);
    const failed = await inPhase(alpha, 'out', 'Failed');
    expect(failed.status?.conditions?.find((one) => one.type === 'migrationFailed')?.message).toContain(
      'offers 536870912 bytes',
    );
    await inPhase(beta, 'in', 'Failed');
    expect(await beta.pods()).toHaveLength(0);
    await alpha.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'vm1',
      'tidied',
      (vmi) => vmi.status?.migratedVolumes === undefined,
    );
  });
});
