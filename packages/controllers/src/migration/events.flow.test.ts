import { resources } from '@godwit/api';
import type { KubeEvent, Stored, VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { KubeApiError } from '@godwit/kube-client';
import type { MemoryCall } from '@godwit/kube-client/testing';
import { describe, expect, it } from 'vitest';
import { virtControllers } from '../virt/controllers.ts';
import { boundClaim, machine, migrationOf, startTestCluster } from '../virt/testing/cluster.ts';
import type { TestCluster } from '../virt/testing/cluster.ts';
import { boot, isTarget, targetPod } from '../virt/testing/guest.ts';

const { virtualMachineInstanceMigrations } = resources;
const wait = { timeoutMs: 15_000, intervalMs: 5 };

/** A cluster whose API server refuses what `refuses` holds for, for as long as it is set. */
class Fault {
  refuses: ((call: MemoryCall) => boolean) | undefined;
  readonly message: string;
  constructor(message = 'no') {
    this.message = message;
  }
  readonly intercept = (call: MemoryCall): void => {
    if (!this.refuses?.(call)) return;
    const details = { status: 403, reason: 'Forbidden', method: call.verb, path: call.name };
    throw new KubeApiError(this.message, details, 'backoff');
  };
}

async function start(fault: Fault): Promise<TestCluster> {
  const cluster = await startTestCluster(virtControllers, { intercept: fault.intercept });
  cluster.seed(...boundClaim('root-old', { shared: true }));
  await boot(cluster, machine('vm1'));
  return cluster;
}

function event(cluster: TestCluster, reason: string): Promise<Stored<KubeEvent>> {
  return waitFor(
    async () => (await cluster.client.list<KubeEvent>(resources.events)).items.find((one) => one.reason === reason),
    { ...wait, what: `event ${reason}` },
  );
}

function conditioned(cluster: TestCluster, type: string): Promise<Stored<VirtualMachineInstanceMigration>> {
  return cluster.until<VirtualMachineInstanceMigration>(
    virtualMachineInstanceMigrations,
    'm1',
    type,
    ({ status }) => status?.conditions?.some((one) => one.type === type && one.status === 'True') === true,
  );
}

describe('a migration tells', () => {
  it('that its pod is refused, and by which quota, and goes on once it is let in [SLM 50, 66]', async () => {
    const fault = new Fault('pods "x" is forbidden: exceeded quota: small, requested: pods=1');
    await using cluster = await start(fault);
    fault.refuses = ({ verb, resource }) => verb === 'create' && resource.plural === 'pods';
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const told = await conditioned(cluster, 'migrationRejectedByResourceQuota');
    expect(told.status?.phase).toBe('Pending');
    expect(told.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'migrationWaiting',
        reason: 'FailedCreate',
        message: expect.stringContaining('exceeded quota: small'),
      }),
    );
    expect(await event(cluster, 'FailedCreate')).toMatchObject({ type: 'Warning' });
    fault.refuses = undefined;
    await targetPod(cluster);
    await cluster.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'm1',
      'Scheduling, without the condition',
      ({ status }) =>
        status?.phase === 'Scheduling' &&
        status.conditions?.some(({ type }) => type === 'migrationRejectedByResourceQuota') === false,
    );
  });

  it('that the VMI could not be handed over', async () => {
    const fault = new Fault('somebody forbids it');
    await using cluster = await start(fault);
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    const pod = await targetPod(cluster);
    fault.refuses = ({ verb, resource }) => verb === 'patch' && resource.plural === 'virtualmachineinstances';
    await cluster.runPod(pod, 'n2');
    expect((await event(cluster, 'FailedHandOver')).message).toContain('somebody forbids it');
    fault.refuses = undefined;
    await cluster.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'm1',
      'PreparingTarget',
      ({ status }) => status?.phase === 'PreparingTarget',
    );
    expect(await event(cluster, 'SuccessfulHandOver')).toMatchObject({ type: 'Normal' });
  });

  it('that the losing pod could not be deleted, and that it was', async () => {
    const fault = new Fault('not now');
    await using cluster = await start(fault);
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    await targetPod(cluster);
    fault.refuses = ({ verb, resource }) => verb === 'delete' && resource.plural === 'pods';
    await cluster.client.delete(virtualMachineInstanceMigrations, 'm1', 'default');
    expect((await event(cluster, 'FailedDelete')).message).toContain('not now');
    fault.refuses = undefined;
    expect(await event(cluster, 'SuccessfulDelete')).toMatchObject({ type: 'Normal' });
    await cluster.untilGone(virtualMachineInstanceMigrations, 'm1');
    expect((await cluster.pods()).filter(isTarget)).toEqual([]);
  });
});
