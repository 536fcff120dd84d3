import { resources } from '@godwit/api';
import type { Pod } from '@godwit/api';
import { namespace } from '../../apps/cli/src/commands/demo/objects.ts';
import { footprintOf } from '../soak/leftovers.ts';
import { eventually } from './eventually.ts';
import type { GuestUnderTest } from './guest.ts';

/** Changes the guest's VM where the guest is. */
export async function patchMachine({ guest, at }: GuestUnderTest, patch: object): Promise<void> {
  await at.cluster.client.patch(resources.virtualMachines, guest.name, namespace, { type: 'merge', patch });
}

export async function setRunStrategy(subject: GuestUnderTest, runStrategy: string): Promise<void> {
  await patchMachine(subject, { spec: { runStrategy } });
}

/** Asks for what `virtctl` asks for. */
export async function ask({ guest, at }: GuestUnderTest, kind: 'VM' | 'VMI', verb: string): Promise<void> {
  const plural = (kind === 'VM' ? resources.virtualMachines : resources.virtualMachineInstances).plural;
  const path = `/apis/subresources.kubevirt.io/v1/namespaces/${namespace}/${plural}/${guest.name}/${verb}`;
  await at.cluster.client.request('PUT', path, {});
}

/** Waits until so many QEMUs are left in both clusters, and as many pods where the guest is; pods that have ended may stay. */
export async function untilLeft({ pair, at }: GuestUnderTest, qemus: number): Promise<void> {
  await eventually(`${qemus} QEMU and as many pods to be left`, async () => {
    const { items } = await at.cluster.client.list<Pod>(resources.pods);
    const open = items.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
    return open.length === qemus && (await footprintOf(pair)).qemus === qemus;
  });
}
