import { randomUUID } from 'node:crypto';
import { isFalse, isTrue, names, resources } from '@godwit/api';
import type { Node, VirtualMachineInstanceMigration } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import {
  blankDataVolumes,
  migration,
  namespace,
  storageMovePatch,
  virtualMachine,
} from '../../apps/cli/src/commands/demo/objects.ts';
import type { Storage } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Cluster, Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import { trust } from '../../apps/cli/src/commands/demo/trust.ts';
import { eventually } from './eventually.ts';
import { instanceOf, nodeOf } from './guest.ts';
import type { GuestUnderTest } from './guest.ts';
import { migrationOf } from './move.ts';
import type { Move } from './move.ts';

type Spec = Omit<VirtualMachineInstanceMigration['spec'], 'vmiName'>;

/** Of the migration object. */
type Annotations = Readonly<Record<string, string>>;

async function migrate(
  subject: GuestUnderTest,
  to: Whereabouts,
  spec: Spec = {},
  annotations: Annotations = {},
): Promise<Move> {
  const fromNode = await nodeOf(subject);
  const { cluster } = subject.at;
  const { metadata, ...wanted } = migration(subject.guest, 'e2e-', spec);
  const made = await cluster.client.create(resources.virtualMachineInstanceMigrations, {
    ...wanted,
    metadata: { ...metadata, annotations },
  });
  return { source: cluster, name: made.metadata.name, fromNode, to };
}

/** Only the node changes. */
export async function moveToOtherNode(subject: GuestUnderTest): Promise<Move> {
  await eventually('the guest to be migratable', async () =>
    isTrue((await instanceOf(subject, subject.at))?.status?.conditions, 'LiveMigratable'),
  );
  return migrate(subject, subject.at);
}

/** Asks for new volumes and waits until the change is announced. Returns where the guest then would be. */
export async function changeVolumes(subject: GuestUnderTest, storage: Storage): Promise<Whereabouts> {
  const { guest, at } = subject;
  const { client } = at.cluster;
  subject.newestPlace += 1;
  const place = subject.newestPlace;
  for (const volume of blankDataVolumes(guest, storage, place)) await client.create(resources.dataVolumes, volume);
  const patch = storageMovePatch(guest, storage, place);
  await client.patch(resources.virtualMachines, guest.name, namespace, { type: 'merge', patch });
  await volumesAnnounced(subject);
  return { ...at, storage, place };
}

/** Takes the wish for other volumes back, and removes the volumes that nobody needs then. */
export async function withdrawChange(subject: GuestUnderTest, unwanted: Whereabouts): Promise<void> {
  const { guest, at } = subject;
  const { client } = at.cluster;
  const patch = storageMovePatch(guest, at.storage, at.place);
  await client.patch(resources.virtualMachines, guest.name, namespace, { type: 'merge', patch });
  await eventually('the volume change to be taken back', async () => {
    const vmi = await instanceOf(subject, at);
    const announced = vmi?.status?.migratedVolumes ?? [];
    return vmi !== undefined && announced.length === 0 && !isTrue(vmi.status?.conditions, 'VolumesChange');
  });
  for (const { metadata } of blankDataVolumes(guest, unwanted.storage, unwanted.place)) {
    const { name = '' } = metadata;
    await client.delete(resources.dataVolumes, name, namespace);
    await eventually(
      `claim ${name} to be gone`,
      async () => (await client.get(resources.persistentVolumeClaims, name, namespace)) === undefined,
    );
  }
}

async function volumesAnnounced(subject: GuestUnderTest): Promise<void> {
  await eventually('the volume change to be accepted', async () => {
    const conditions = (await instanceOf(subject, subject.at))?.status?.conditions;
    return isTrue(conditions, 'VolumesChange') && !isFalse(conditions, 'LiveMigratable');
  });
}

/** New volumes under the running guest, which stays on its node. Also another attempt at a change announced before. */
export async function moveInPlace(subject: GuestUnderTest, to: Whereabouts, annotations?: Annotations): Promise<Move> {
  await volumesAnnounced(subject);
  return migrate(subject, to, {}, annotations);
}

/** New volumes on the other node, so that the disks are copied along with memory. */
export async function moveWithDisks(
  subject: GuestUnderTest,
  to: Whereabouts,
  annotations?: Annotations,
): Promise<Move> {
  await volumesAnnounced(subject);
  const spec = { addedNodeSelector: { [names.hostnameLabel]: await otherNode(subject) } };
  return migrate(subject, to, spec, annotations);
}

export async function otherNode(subject: GuestUnderTest): Promise<string> {
  const node = await nodeOf(subject);
  const { items } = await subject.at.cluster.client.list<Node>(resources.nodes);
  const other = items.find((item) => item.metadata.name !== node)?.metadata.name;
  if (other === undefined) throw new GodwitError('E2E_NODE_MISSING', 'The cluster has one node only');
  return other;
}

/** A VM in the other cluster that waits for the guest; both clusters trust each other afterwards. */
export async function prepareReceiver(
  subject: GuestUnderTest,
  target: Cluster,
  storage: Storage,
): Promise<Whereabouts> {
  await trust(subject.at.cluster.client, target.client);
  await trust(target.client, subject.at.cluster.client);
  subject.newestPlace += 1;
  const place = subject.newestPlace;
  await target.client.create(resources.virtualMachines, virtualMachine(subject.guest, storage, place, 'receiver'));
  return { cluster: target, storage, place };
}

/** Sends the guest to a VM that waits for it; also another attempt after one that failed. */
export async function moveToCluster(
  subject: GuestUnderTest,
  to: Whereabouts,
  annotations?: Annotations,
): Promise<Move> {
  const { guest } = subject;
  const target = to.cluster;
  await eventually(
    'a VMI that waits to receive',
    async () => (await instanceOf(subject, to))?.status?.phase === 'WaitingForSync',
  );
  const migrationID = randomUUID();
  const receive = await target.client.create(
    resources.virtualMachineInstanceMigrations,
    migration(guest, 'e2e-receive-', { receive: { migrationID } }),
  );
  const receiver = { cluster: target, name: receive.metadata.name };
  const connectURL = await eventually(
    'an address for the sender',
    async () => (await migrationOf(target, receiver.name))?.status?.synchronizationAddresses?.[0],
  );
  const spec = { sendTo: { migrationID, connectURL } };
  return { ...(await migrate(subject, to, spec, annotations)), receiver };
}
