import { findCondition, resources } from '@godwit/api';
import type { KubeEvent, VirtualMachine } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { waitFor } from '@godwit/core/wait';
import { apiError } from '@godwit/kube-client';
import { expect, it } from 'vitest';
import { virtControllers } from '../virt/controllers.ts';
import { machine, namespace, startTestCluster } from '../virt/testing/cluster.ts';
import { storedVm } from '../virt/testing/objects.ts';
import { nextRefusal } from './create-objects.ts';

const { dataVolumes, events, virtualMachineInstances, virtualMachines } = resources;

it.each([
  ['a DataVolume', dataVolumes, 'FailedDataVolumeCreate', 'DataVolume root-old cannot be created: no such source'],
  ['the VMI', virtualMachineInstances, 'FailedCreate', 'VirtualMachineInstance vm1 cannot be created: no such source'],
])(
  'a VM of which the API server refuses %s says what it said, and tries again',
  async (_, resource, reason, message) => {
    let refusing = true;
    let refused = 0;
    await using cluster = await startTestCluster(virtControllers, {
      // No pause ends by itself.
      clock: { ...systemClock, now: () => 0 },
      intercept(call) {
        if (call.verb !== 'create' || call.resource !== resource) return;
        const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'no such source' };
        if (!refusing) return;
        refused += 1;
        throw apiError('POST', '/', 422, undefined, body);
      },
    });
    const spec = { pvc: { resources: { requests: { storage: '1Gi' } } }, source: { blank: {} } };
    const templates =
      resource === dataVolumes ? { dataVolumeTemplates: [{ metadata: { name: 'root-old' }, spec }] } : {};
    await cluster.client.create(virtualMachines, machine('vm1', templates));
    const failure = (vm: VirtualMachine) => findCondition(vm.status?.conditions, 'Failure');
    const vm = await cluster.until<VirtualMachine>(
      virtualMachines,
      'vm1',
      'refused',
      (one) => failure(one) !== undefined,
    );
    expect(failure(vm)).toMatchObject({ status: 'True', reason: 'FailedCreate', message });
    const told = await waitFor(
      async () => {
        const { items } = await cluster.client.list<KubeEvent>(events, { namespace });
        return items.some((event) => event.reason === reason) && items;
      },
      { what: 'the event', timeoutMs: 15_000, intervalMs: 2 },
    );
    expect(told.filter((event) => event.reason === reason).map((event) => event.message)).toEqual([message]);
    expect(told.filter((event) => event.reason.startsWith('Successful'))).toEqual([]);
    // Not tried again at every look at the VM, only when it has changed.
    await cluster.merge(virtualMachines, 'vm1', { metadata: { annotations: { looked: 'at' } } });
    refusing = false;
    await cluster.merge(virtualMachines, 'vm1', { spec: { template: { metadata: { labels: { changed: 'yes' } } } } });
    await cluster.until<VirtualMachine>(virtualMachines, 'vm1', 'well again', (one) => failure(one) === undefined);
    await cluster.until(resource, resource === dataVolumes ? 'root-old' : 'vm1', 'made', () => true);
    expect(refused).toBe(1);
  },
);

it('pauses longer every time', () => {
  const first = nextRefusal(storedVm(), undefined, 'no', 0);
  const second = nextRefusal(storedVm(), first, 'no', 10_000);
  expect([first.retryAtMs, second.retryAtMs]).toEqual([5000, 20_000]);
});
