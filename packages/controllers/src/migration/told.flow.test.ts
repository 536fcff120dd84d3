import { names, resources } from '@godwit/api';
import type { KubeEvent, KubeVirt, Stored, VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { KubeApiError } from '@godwit/kube-client';
import type { MemoryCall } from '@godwit/kube-client/testing';
import { describe, expect, it } from 'vitest';
import { evacuationController } from '../evacuation/controller.ts';
import { virtControllers } from '../virt/controllers.ts';
import { boundClaim, machine, migrationOf, startTestCluster } from '../virt/testing/cluster.ts';
import type { TestCluster } from '../virt/testing/cluster.ts';
import { boot, isTarget, targetPod } from '../virt/testing/guest.ts';
import { condition, storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { workloadUpdateController } from '../workload-update/controller.ts';

const { virtualMachines, virtualMachineInstanceMigrations } = resources;
const wait = { timeoutMs: 15_000, intervalMs: 5 };
const VMI = 'VirtualMachineInstance';
const VMIM = 'VirtualMachineInstanceMigration';

/** The message of an event about an object of the kind, once it is there. */
async function told(
  cluster: TestCluster,
  kind: string,
  type: 'Normal' | 'Warning',
  reason: string,
  like = /./,
): Promise<string> {
  const found = await waitFor(
    async () =>
      (await cluster.client.list<KubeEvent>(resources.events)).items.find(
        (one) =>
          one.reason === reason &&
          one.type === type &&
          one.involvedObject.kind === kind &&
          like.test(one.message ?? ''),
      ),
    { ...wait, what: `${type} event ${reason} of a ${kind}` },
  );
  return found?.message ?? '';
}

async function guest(cluster: TestCluster, shared = true): Promise<void> {
  cluster.seed(...boundClaim('root-old', { shared }));
  await boot(cluster, machine('vm1'));
}

function inPhase(cluster: TestCluster, phase: string): Promise<Stored<VirtualMachineInstanceMigration>> {
  const holds = ({ status }: VirtualMachineInstanceMigration): boolean => status?.phase === phase;
  return cluster.until(virtualMachineInstanceMigrations, 'm1', phase, holds);
}

/** A migration of a running guest, up to where its agents are to copy. */
async function engage(cluster: TestCluster): Promise<void> {
  await guest(cluster);
  await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
  await cluster.runPod(await targetPod(cluster), 'n2');
  await inPhase(cluster, 'PreparingTarget');
  await cluster.report('vm1', { targetNodeAddress: '127.0.0.1' });
  await inPhase(cluster, 'TargetReady');
}

/** Refuses to create migrations. */
function refuseMigrations({ verb, resource }: MemoryCall): void {
  if (verb !== 'create' || resource.plural !== virtualMachineInstanceMigrations.plural) return;
  throw new KubeApiError('not now', { status: 403, reason: 'Forbidden', method: 'POST', path: '' }, 'backoff');
}

describe('events of a migration [SLM §4]', () => {
  it('tell every step of one that succeeds', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await engage(cluster);
    await told(cluster, VMI, 'Normal', 'SuccessfulCreate', /virt-launcher-vm1/);
    expect(await told(cluster, VMIM, 'Normal', 'SuccessfulCreate')).toContain('target pod');
    await told(cluster, VMIM, 'Normal', 'SuccessfulHandOver');
    const now = '2026-01-01T00:00:09Z';
    await cluster.report('vm1', { startTimestamp: now, completed: true, endTimestamp: now }, { nodeName: 'n2' });
    await told(cluster, VMIM, 'Normal', 'SuccessfulMigration');
    expect(await told(cluster, VMIM, 'Normal', 'SuccessfulDelete')).toContain('virt-launcher-vm1');
  });

  it('tell the reason of one that fails, at both objects', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await engage(cluster);
    await cluster.report('vm1', {
      completed: true,
      failed: true,
      failureReason: 'the target has no space left',
      endTimestamp: '2026-01-01T00:00:09Z',
    });
    for (const kind of [VMIM, VMI])
      expect(await told(cluster, kind, 'Warning', 'FailedMigration')).toBe('TargetFull: the target has no space left');
  });

  it('tell that one is aborted, and that it was', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await engage(cluster);
    await cluster.client.delete(virtualMachineInstanceMigrations, 'm1', 'default');
    await told(cluster, VMIM, 'Normal', 'SuccessfulAbortMigration');
    await cluster.report('vm1', {
      completed: true,
      failed: true,
      abortStatus: 'Succeeded',
      failureReason: 'aborted by request',
      endTimestamp: '2026-01-01T00:00:09Z',
    });
    expect(await told(cluster, VMIM, 'Warning', 'FailedMigration')).toContain('Aborted');
  });

  it('tell that a volume change asks for one, and is aborted when it is taken back', async () => {
    await using cluster = await startTestCluster(virtControllers);
    await guest(cluster, false);
    cluster.seed(...boundClaim('root-new', { node: 'n2' }));
    const claim = (claimName: string) => ({
      updateVolumesStrategy: 'Migration',
      template: { spec: { volumes: [{ name: 'root', persistentVolumeClaim: { claimName } }] } },
    });
    await cluster.merge(virtualMachines, 'vm1', { spec: claim('root-new') });
    await waitFor(async () => (await cluster.pods()).some(isTarget), { ...wait, what: 'a target pod' });
    await told(cluster, VMI, 'Normal', 'SuccessfulCreate', /for automated workload update$/);
    await cluster.merge(virtualMachines, 'vm1', { spec: claim('root-old') });
    await told(cluster, 'VirtualMachine', 'Normal', 'SuccessfulChangeAbortion');
  });

  it('tell that a migration which nobody wants any more is aborted', async () => {
    await using cluster = await startTestCluster([workloadUpdateController]);
    const annotations = { 'kubevirt.io/workloadUpdateMigration': '' };
    cluster.seed(
      storedMigration('m1', { phase: 'Pending', annotations }),
      storedVmi({ phase: 'Running', nodeName: 'n1' }),
    );
    expect(await told(cluster, VMI, 'Normal', 'SuccessfulChangeAbortion')).toContain('m1');
  });

  it('tell why a volume change could not ask for one', async () => {
    await using cluster = await startTestCluster([workloadUpdateController], { intercept: refuseMigrations });
    const conditions = [condition('LiveMigratable'), condition('VolumesChange')];
    const migratedVolumes = [
      { volumeName: 'root', sourcePVCInfo: { claimName: 'root-old' }, destinationPVCInfo: { claimName: 'root-new' } },
    ];
    cluster.seed(
      {
        apiVersion: 'kubevirt.io/v1',
        kind: 'KubeVirt',
        metadata: { name: names.kubeVirtName, namespace: names.installNamespace },
        spec: { workloadUpdateStrategy: { workloadUpdateMethods: ['LiveMigrate'] } },
      } as KubeVirt,
      storedVmi({ phase: 'Running', nodeName: 'n1', conditions, migratedVolumes }, { claim: 'root-new' }),
    );
    expect(await told(cluster, VMI, 'Warning', 'FailedCreate')).toContain('not now');
  });
});

describe('events of an evacuation [SLM §4]', () => {
  const leaving = () => {
    const vmi = storedVmi({
      phase: 'Running',
      nodeName: 'n1',
      evacuationNodeName: 'n1',
      conditions: [condition('LiveMigratable')],
    });
    vmi.spec.evictionStrategy = 'LiveMigrate';
    return vmi;
  };

  it('tell which migration it has made', async () => {
    await using cluster = await startTestCluster([evacuationController]);
    cluster.seed(leaving());
    expect(await told(cluster, VMI, 'Normal', 'SuccessfulCreate')).toContain('kubevirt-evacuation-');
  });

  it('tell why it could make none', async () => {
    await using cluster = await startTestCluster([evacuationController], { intercept: refuseMigrations });
    cluster.seed(leaving());
    expect(await told(cluster, VMI, 'Warning', 'FailedCreate')).toContain('not now');
  });
});
