import { randomUUID } from 'node:crypto';
import { isFalse, isTrue, names, resources } from '@godwit/api';
import type { KubeVirt, Node, VirtualMachineInstanceMigration } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import { failureOf } from './follow.ts';
import { blankDataVolumes, migration, namespace, storageMovePatch, virtualMachine } from './objects.ts';
import type { Storage } from './objects.ts';
import type { MeasuredMove } from './report.ts';
import { carryOut, getInstance, isSettled, waitForInstance } from './session.ts';
import type { Cluster, Session, Whereabouts } from './session.ts';
import { trust } from './trust.ts';

/** Result of a move: what was measured, and where the guest is now. */
export interface Moved {
  readonly measured: MeasuredMove;
  readonly now: Whereabouts;
}

const describe = (storage: Storage): string =>
  `${storage.storageClass} (${storage.accessMode === 'ReadWriteMany' ? 'RWX' : 'RWO'} ${storage.volumeMode})`;

async function requestStorageMove(session: Session, at: Whereabouts, storage: Storage, place: number): Promise<void> {
  const { client } = at.cluster;
  for (const volume of blankDataVolumes(session.guest, storage, place))
    await client.create(resources.dataVolumes, volume);
  const patch = storageMovePatch(session.guest, storage, place);
  await client.patch(resources.virtualMachines, session.guest.name, namespace, { type: 'merge', patch });
}

/** The guest stays where it is, its disks change their storage class. */
export async function moveStorage(session: Session, at: Whereabouts, storage: Storage): Promise<Moved> {
  const place = at.place + 1;
  const measured = await carryOut(session, {
    kind: 'storage',
    from: describe(at.storage),
    to: describe(storage),
    cluster: at.cluster,
    request: () => requestStorageMove(session, at, storage, place),
  });
  await waitForInstance(session, at.cluster, 'the volume change to be over', isSettled);
  return { measured, now: { ...at, storage, place } };
}

/** The guest changes its node; nothing else is asked for. */
export async function moveNode(session: Session, at: Whereabouts): Promise<Moved> {
  const { client } = at.cluster;
  const vmi = await waitForInstance(session, at.cluster, 'the guest to be migratable', (seen) =>
    isTrue(seen.status?.conditions, 'LiveMigratable'),
  );
  const from = vmi.status?.nodeName ?? '';
  const measured = await carryOut(session, {
    kind: 'node',
    from,
    to: await otherNode(at.cluster, from),
    cluster: at.cluster,
    request: async () => {
      await client.create(resources.virtualMachineInstanceMigrations, migration(session.guest, 'demo-node-'));
    },
  });
  await waitForInstance(session, at.cluster, 'the guest on another node', (seen) => seen.status?.nodeName !== from);
  return { measured, now: at };
}

/**
 * Storage of one node to storage of another: the disks are copied while memory moves. The automatic migration of a volume
 * change would stay on the node, so it is switched off for the while and the migration is made here, with a node selector.
 */
export async function moveStorageToOtherNode(session: Session, at: Whereabouts, storage: Storage): Promise<Moved> {
  const { client } = at.cluster;
  const from = (await getInstance(at.cluster, session.guest))?.status?.nodeName ?? '';
  const to = await otherNode(at.cluster, from);
  const place = at.place + 1;
  const methods = await replaceUpdateMethods(at.cluster, []);
  try {
    const measured = await carryOut(session, {
      kind: 'storage',
      from: `${describe(at.storage)} on ${from}`,
      to: `${describe(storage)} on ${to}`,
      cluster: at.cluster,
      request: async () => {
        await requestStorageMove(session, at, storage, place);
        await waitForInstance(
          session,
          at.cluster,
          'the volume change to be accepted',
          (vmi) =>
            isTrue(vmi.status?.conditions, 'VolumesChange') && !isFalse(vmi.status?.conditions, 'LiveMigratable'),
        );
        const spec = { addedNodeSelector: { [names.hostnameLabel]: to } };
        await client.create(
          resources.virtualMachineInstanceMigrations,
          migration(session.guest, 'demo-storage-', spec),
        );
      },
    });
    await waitForInstance(
      session,
      at.cluster,
      'the volume change to be over',
      (vmi) => isSettled(vmi) && vmi.status?.nodeName === to,
    );
    return { measured, now: { ...at, storage, place } };
  } finally {
    await replaceUpdateMethods(at.cluster, methods);
  }
}

/** The guest leaves its cluster for another one that knows nothing of it but an empty VM that waits. */
export async function moveCluster(
  session: Session,
  at: Whereabouts,
  target: Cluster,
  storage: Storage,
): Promise<Moved> {
  const { guest } = session;
  const source = at.cluster;
  await trust(source.client, target.client);
  await trust(target.client, source.client);
  const place = at.place + 1;
  await target.client.create(resources.virtualMachines, virtualMachine(guest, storage, place, 'receiver'));
  await waitForInstance(
    session,
    target,
    'a VMI that waits to receive',
    (vmi) => vmi.status?.phase === 'WaitingForSync',
  );
  const migrationID = randomUUID();
  const receive = await target.client.create(
    resources.virtualMachineInstanceMigrations,
    migration(guest, 'demo-receive-', { receive: { migrationID } }),
  );
  const connectURL = await synchronizationAddress(session, target, receive.metadata.name);
  const measured = await carryOut(session, {
    kind: 'cluster',
    from: source.name,
    to: target.name,
    cluster: source,
    request: async (signal) => {
      const send = migration(guest, 'demo-send-', { sendTo: { migrationID, connectURL } });
      await source.client.create(resources.virtualMachineInstanceMigrations, send);
      await receiverDone(session, target, receive.metadata.name, signal);
    },
  });
  await waitForInstance(session, target, 'the guest to run', isSettled);
  return { measured, now: { cluster: target, storage, place } };
}

async function receiverDone(session: Session, target: Cluster, name: string, signal: AbortSignal): Promise<void> {
  await waitFor(
    async () => {
      const seen = await getMigration(target, name);
      if (seen?.status?.phase === 'Failed') {
        const what = `Migration ${name} in cluster ${target.name} failed: ${failureOf(seen)}`;
        throw new GodwitError('DEMO_MOVE_FAILED', what);
      }
      return seen?.status?.phase === 'Succeeded';
    },
    { timeoutMs: session.moveTimeoutMs, intervalMs: 100, what: `migration ${name} in cluster ${target.name}`, signal },
  );
}

async function synchronizationAddress(session: Session, target: Cluster, name: string): Promise<string> {
  return waitFor(async () => (await getMigration(target, name))?.status?.synchronizationAddresses?.[0], {
    timeoutMs: 30_000,
    intervalMs: 100,
    what: `status.synchronizationAddresses of migration ${name} in cluster ${target.name}`,
    signal: session.signal,
  });
}

async function getMigration(cluster: Cluster, name: string): Promise<VirtualMachineInstanceMigration | undefined> {
  return cluster.client.get<VirtualMachineInstanceMigration>(
    resources.virtualMachineInstanceMigrations,
    name,
    namespace,
  );
}

async function otherNode(cluster: Cluster, node: string): Promise<string> {
  const { items } = await cluster.client.list<Node>(resources.nodes);
  const other = items.find((item) => item.metadata.name !== node);
  if (other === undefined) throw new GodwitError('DEMO_NODE_MISSING', `Cluster ${cluster.name} has one node only`);
  return other.metadata.labels?.[names.hostnameLabel] ?? other.metadata.name;
}

type UpdateMethods = NonNullable<
  NonNullable<NonNullable<KubeVirt['spec']>['workloadUpdateStrategy']>['workloadUpdateMethods']
>;

/** Sets how running guests are updated after a change of their VM; resolves with what it was. */
async function replaceUpdateMethods(cluster: Cluster, methods: UpdateMethods): Promise<UpdateMethods> {
  const old = await cluster.client.get<KubeVirt>(resources.kubeVirts, names.kubeVirtName, names.installNamespace);
  const patch = { spec: { workloadUpdateStrategy: { workloadUpdateMethods: methods } } };
  await cluster.client.patch(resources.kubeVirts, names.kubeVirtName, names.installNamespace, { type: 'merge', patch });
  return old?.spec?.workloadUpdateStrategy?.workloadUpdateMethods ?? [];
}
