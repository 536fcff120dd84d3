import { resources } from '@godwit/api';
import { namespace } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Storage } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import { eventually } from './eventually.ts';
import type { GuestUnderTest } from './guest.ts';
import { prepareReceiver } from './request.ts';

/** A new VM that waits for the guest in the cluster where the guest is not. */
export async function receiverOf(subject: GuestUnderTest, storage: Storage): Promise<Whereabouts> {
  const { alpha, beta } = subject.pair;
  const target = subject.at.cluster === alpha ? beta : alpha;
  // A guest that came over leaves its stopped VM behind; the name is needed for the way back.
  const { name } = subject.guest;
  await target.client.delete(resources.virtualMachines, name, namespace);
  // Its guest has left, but what held it is cleared away in its own time.
  await eventually(
    `VM ${name} to be gone`,
    async () => (await target.client.get(resources.virtualMachines, name, namespace)) === undefined,
    120_000,
  );
  return prepareReceiver(subject, target, storage);
}
