import { keyOf, names, resources } from '@godwit/api';
import type { ConfigMap, KubeVirt } from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import type { Controller, ControllerContext, ControllerService } from '../context.ts';
import { migrationsOf, virtCaches } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { kindOf } from '../virt/facts.ts';
import { createCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { createHandlers } from './inbound.ts';
import { createOutbound } from './outbound.ts';
import type { Outbound } from './outbound.ts';
import { createPeers } from './peers.ts';
import { startSyncServer } from './server.ts';

const LISTEN_RETRY_MS = 2_000;

function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Publishes where other clusters reach this one; an empty list takes the field away. */
async function publish(context: ControllerContext, caches: VirtCaches, addresses: readonly string[]): Promise<void> {
  const kubeVirt = caches.kubeVirts.get({ namespace: names.installNamespace, name: names.kubeVirtName });
  if (!kubeVirt) return;
  const old = kubeVirt.status?.synchronizationAddresses ?? [];
  if (old.join() === addresses.join()) return;
  const patch = { status: { synchronizationAddresses: addresses.length > 0 ? addresses : null } };
  await context.client.patch<KubeVirt>(
    resources.kubeVirts,
    kubeVirt.metadata.name,
    names.installNamespace,
    { type: 'merge', patch },
    'status',
  );
}

/** Mirrors the two halves of a cross-cluster migration between this cluster and its peers. */
export const synchronizationController: Controller = {
  name: 'synchronization',
  setUp(context): ControllerService {
    const { manager, client, clock, log, options } = context;
    const caches = virtCaches(manager);
    const configMaps = manager.cache<ConfigMap>(resources.configMaps, { namespace: names.installNamespace });
    let address = '';
    let credentials: Credentials | undefined;
    let outbound: Outbound | undefined;
    let end = async (): Promise<void> => undefined;
    let cancelRetry = (): void => undefined;
    const trust = (): string =>
      configMaps.get({ namespace: names.installNamespace, name: names.caConfigMap })?.data?.[names.caBundleKey] ?? '';

    manager.add({
      name: 'synchronization',
      concurrency: 8,
      watches: [
        { resource: resources.virtualMachineInstanceMigrations, toKeys: (one) => [keyOf(one)] },
        { resource: resources.virtualMachineInstances, toKeys: (vmi) => migrationsOf(caches, keyOf(vmi)).map(keyOf) },
      ],
      async reconcile(key) {
        const migration = caches.migrations.get(key);
        if (!migration || kindOf(migration) === 'local') return undefined;
        // Until the listener is up there is no address to tell anybody.
        if (!outbound) return { requeueAfterMs: 500 };
        const requeueAfterMs = await outbound.reconcile(migration);
        return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
      },
    });
    manager.add({
      name: 'synchronization-trust',
      watches: [
        {
          resource: resources.configMaps,
          toKeys: (one) => (one.metadata.name === names.caConfigMap ? [keyOf(one)] : []),
          from: { namespace: names.installNamespace },
        },
        {
          resource: resources.kubeVirts,
          toKeys: () => [{ namespace: names.installNamespace, name: names.caConfigMap }],
        },
      ],
      async reconcile() {
        credentials?.setTrust(trust());
        await publish(context, caches, address === '' ? [] : [address]);
      },
    });

    async function listen(where: { readonly host: string; readonly port: number }): Promise<void> {
      const made = await createCredentials(options.kubevirtCa, clock, log);
      made.setTrust(trust());
      const server = await startSyncServer(where, made, createHandlers(client, caches, clock), log);
      address = addressOf(where.host, server.port);
      const peers = createPeers(made);
      credentials = made;
      outbound = createOutbound({ client, caches, peers, clock, log, ownAddress: () => address });
      end = async () => {
        made.stop();
        peers.stop();
        await server.stop();
      };
      log.info({ address }, 'listening for other clusters');
      await publish(context, caches, [address]);
    }

    async function attempt(where: { readonly host: string; readonly port: number }): Promise<void> {
      try {
        await listen(where);
      } catch (error) {
        log.warn({ error: describeError(error) }, 'cannot listen for other clusters yet');
        cancelRetry = clock.after(LISTEN_RETRY_MS, () => void attempt(where));
      }
    }

    return {
      async start() {
        if (options.syncListen) await attempt(options.syncListen);
      },
      async stop() {
        cancelRetry();
        await end();
      },
    };
  },
};
