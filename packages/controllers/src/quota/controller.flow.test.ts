import { findCondition, resources } from '@godwit/api';
import type { ResourceQuota, VirtualMachineInstance } from '@godwit/api';
import { KubeApiError } from '@godwit/kube-client';
import { expect, it } from 'vitest';
import { virtControllers } from '../virt/controllers.ts';
import { boundClaim, machine, startTestCluster } from '../virt/testing/cluster.ts';
import { quotas } from './controller.ts';

const { resourceQuotas, virtualMachines, virtualMachineInstances } = resources;

it('a quota says how much of it is used; a guest for which there is no room says so, and starts once there is', async () => {
  let full = true;
  const why = 'pods "x" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=1, limited: pods=1';
  await using cluster = await startTestCluster([...virtControllers, quotas], {
    intercept({ verb, resource }) {
      if (!full || verb !== 'create' || resource.plural !== 'pods') return;
      throw new KubeApiError(why, { status: 403, reason: 'Forbidden', method: 'POST', path: '' }, 'backoff');
    },
  });
  cluster.seed(
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'tight', namespace: 'default' },
      spec: { hard: { pods: '1' } },
    },
    ...boundClaim('root-old'),
  );
  const used = (count: string) => (quota: ResourceQuota) => quota.status?.used?.['pods'] === count;
  await cluster.until<ResourceQuota>(resourceQuotas, 'tight', 'nothing used', used('0'));
  await cluster.client.create(virtualMachines, machine('vm1'));
  const held = await cluster.until<VirtualMachineInstance>(
    virtualMachineInstances,
    'vm1',
    'refused',
    ({ status }) => findCondition(status?.conditions, 'Synchronized')?.reason === 'FailedCreate',
  );
  expect(findCondition(held.status?.conditions, 'Synchronized')).toMatchObject({
    status: 'False',
    message: expect.stringContaining('exceeded quota: tight'),
  });
  full = false;
  await cluster.until<VirtualMachineInstance>(
    virtualMachineInstances,
    'vm1',
    'Scheduling, without the condition',
    ({ status }) =>
      status?.phase === 'Scheduling' && findCondition(status.conditions, 'Synchronized')?.status === 'True',
  );
  await cluster.until<ResourceQuota>(resourceQuotas, 'tight', 'one pod used', used('1'));
});
