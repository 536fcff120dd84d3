import { link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiVersionOf, isFalse, isTrue, names, resources } from '@godwit/api';
import type {
  Node,
  PersistentVolumeClaim,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { GodwitError, isGodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import type { KubeClient } from '@godwit/kube-client';
import { followMigration, knownMigrations } from '../../apps/cli/src/commands/demo/follow.ts';
import { locateDisk } from '../../apps/cli/src/commands/demo/locate-disk.ts';
import { addImage, readCatalogue } from '../../apps/cli/src/local/catalogue.ts';
import { down, up } from '../../apps/cli/src/local/lifecycle.ts';
import type { LocalClusters } from '../../apps/cli/src/local/lifecycle.ts';
import { userData } from '../guest/seed.ts';
import { GuestWatch } from '../guest/watch.ts';
import type { Operation } from '../samples.ts';
import { emptyClaim, firstDataVolume, guestReference, movePatch, namespace, virtualMachine } from './godwit-objects.ts';
import type { BenchMachine } from './godwit-objects.ts';
import { QemuObserver } from './qemu-observer.ts';
import { BOOT_MS, moveLimitMs, untilBusy } from './session.ts';
import type { Arena, Moved, Session } from './session.ts';

const CLUSTER = 'bench';
const SETTLE_MS = 120_000;

export interface GodwitCluster extends AsyncDisposable {
  session(arena: Arena): Promise<Session>;
}

/** The whole product: a local cluster of two nodes, used through its API only. */
export async function startGodwitCluster(directory: string, guestImage: string): Promise<GodwitCluster> {
  const dispose = (): Promise<void> => down(directory, true);
  try {
    const clusters = await up({ dir: directory, clusters: [CLUSTER], nodes: 2, readyTimeoutMs: SETTLE_MS });
    await addImage(clusters.layout.images, guestReference, guestImage);
    const client = await clusters.client(CLUSTER);
    // Every migration is one that was asked for here.
    await patchKubeVirt(client, { workloadUpdateStrategy: { workloadUpdateMethods: [] } });
    return {
      session: (arena) => startSession(arena, clusters, client),
      async [Symbol.asyncDispose]() {
        client.close();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function patchKubeVirt(client: KubeClient, spec: object): Promise<void> {
  const body = { type: 'merge', patch: { spec } } as const;
  await client.patch(resources.kubeVirts, names.kubeVirtName, names.installNamespace, body);
}

/** In the catalogue without a copy: the images are on one filesystem. */
async function offer(images: string, reference: string, file: string): Promise<void> {
  const catalogue = await readCatalogue(images);
  if (reference in catalogue) return;
  const name = `${reference.replaceAll('/', '-')}.img`;
  await mkdir(images, { recursive: true });
  await link(file, join(images, name));
  await writeFile(join(images, 'catalogue.json'), JSON.stringify({ ...catalogue, [reference]: name }));
}

async function startSession(arena: Arena, clusters: LocalClusters, client: KubeClient): Promise<Session> {
  const { spec } = arena;
  const { layout, state } = clusters;
  const watch = await GuestWatch.start(arena.runId);
  const nodes = state.clusters.find((cluster) => cluster.name === CLUSTER)?.nodes ?? [];
  const observer = new QemuObserver(nodes.map((node) => join(layout.sockets, CLUSTER, node)));
  const diskReference = `godwit/bench-disk-${spec.fill ?? 'shared'}`;
  await offer(layout.images, diskReference, arena.original);
  let count = 0;
  let machine: BenchMachine | undefined;
  let claim = '';
  let resting = false;
  let disableTLS: boolean | undefined;
  const leftOver: string[] = [];

  const required = (): BenchMachine => {
    if (machine === undefined) throw new GodwitError('BENCH_NO_GUEST', 'There is no guest');
    return machine;
  };
  const getInstance = async (): Promise<Stored<VirtualMachineInstance> | undefined> =>
    client.get<VirtualMachineInstance>(resources.virtualMachineInstances, required().name, namespace);
  const instance = (what: string, wanted: (vmi: Stored<VirtualMachineInstance>) => boolean) =>
    waitFor(
      async () => {
        const vmi = await getInstance();
        return vmi !== undefined && wanted(vmi) ? vmi : undefined;
      },
      { timeoutMs: SETTLE_MS, intervalMs: 50, what },
    );
  const isPaused = (vmi: VirtualMachineInstance): boolean => isTrue(vmi.status?.conditions, 'Paused');
  const verb = async (name: 'pause' | 'unpause'): Promise<void> => {
    const path = `/apis/subresources.kubevirt.io/v1/namespaces/${namespace}/virtualmachineinstances`;
    await client.request('PUT', `${path}/${required().name}/${name}`);
    await instance(`the guest to ${name}`, (vmi) => isPaused(vmi) === (name === 'pause'));
  };

  async function boot(): Promise<void> {
    watch.forget();
    machine = {
      name: `${spec.name}-${++count}`,
      userData: userData(spec.load, arena.runId, watch.port),
      memoryMib: spec.load.memoryMib,
      diskMib: arena.diskMib,
      diskReference,
      travels: spec.fill !== undefined,
    };
    claim = firstDataVolume(machine);
    resting = false;
    await client.create(resources.virtualMachines, virtualMachine(machine));
    await waitFor(() => watch.summary().heartbeats > 0, { timeoutMs: BOOT_MS, what: 'the guest' });
    await untilBusy(watch, spec);
    await instance(
      'the guest to be migratable',
      (vmi) => isTrue(vmi.status?.conditions, 'LiveMigratable') || spec.fill !== undefined,
    );
  }

  async function askForVolumes(node: string): Promise<string> {
    const guest = required();
    const wanted = `${guest.name}-data-${++count}`;
    await client.create(resources.persistentVolumeClaims, emptyClaim(guest, wanted, node));
    await waitFor(
      async () => {
        const bound = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, wanted, namespace);
        return bound?.status?.phase === 'Bound';
      },
      { timeoutMs: SETTLE_MS, intervalMs: 50, what: `claim ${wanted} to be bound` },
    );
    await client.patch(resources.virtualMachines, guest.name, namespace, {
      type: 'merge',
      patch: movePatch(guest, wanted),
    });
    await instance(
      'the volume change to be accepted',
      ({ status }) => isTrue(status?.conditions, 'VolumesChange') && !isFalse(status?.conditions, 'LiveMigratable'),
    );
    return wanted;
  }

  async function move(operation: Operation): Promise<Moved> {
    const guest = required();
    const inPlace = operation === 'godwit-in-place';
    const plain = operation === 'godwit-plain';
    if (disableTLS !== plain) await patchKubeVirt(client, { configuration: { migrations: { disableTLS: plain } } });
    disableTLS = plain;
    const before = await instance('the guest', () => true);
    const from = before.status?.nodeName ?? '';
    const other = (await client.list<Node>(resources.nodes)).items.find((node) => node.metadata.name !== from);
    const to = inPlace ? from : (other?.metadata.name ?? from);
    const wanted = guest.travels ? await askForVolumes(to) : undefined;
    const source = wanted === undefined ? undefined : await locateDisk(client, layout, CLUSTER, claim);
    const known = await knownMigrations(client, guest.name);
    const failed = new AbortController();
    observer.begin();
    const startedMs = performance.now();
    const following = followMigration(client, {
      vmiName: guest.name,
      known,
      timeoutMs: moveLimitMs(spec),
      signal: failed.signal,
      onChange: () => undefined,
    });
    const request = client.create<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
      apiVersion: apiVersionOf(resources.virtualMachineInstanceMigrations),
      kind: resources.virtualMachineInstanceMigrations.kind,
      metadata: { generateName: 'bench-', namespace },
      spec: {
        vmiName: guest.name,
        ...(to !== from && { addedNodeSelector: { [names.hostnameLabel]: to } }),
      },
    });
    request.catch((error: unknown) => failed.abort(error));
    const { metadata } = await following;
    const doneMs = performance.now();
    const after = await instance(
      'the guest to be settled',
      ({ status }) => (status?.migratedVolumes ?? []).length === 0,
    );
    const travelled = after.status?.nodeName !== from;
    if (travelled === inPlace)
      throw new GodwitError('BENCH_WRONG_WAY', `The guest went from ${from} to ${after.status?.nodeName}`);
    const configuration = after.status?.migrationState?.migrationConfiguration;
    if (!inPlace && (configuration?.disableTLS ?? false) !== plain)
      throw new GodwitError('BENCH_WRONG_WAY', 'The move did not obey disableTLS');
    if (observer.runnersMax > 1) throw new GodwitError('BENCH_TWO_RUNNERS', 'Two copies of the guest ran at once');
    await client.delete(resources.virtualMachineInstanceMigrations, metadata.name, namespace);
    const { firstByteMs, runsMs } = observer;
    if (wanted !== undefined) {
      leftOver.push(claim);
      claim = wanted;
    }
    return {
      startedMs,
      doneMs,
      ...(firstByteMs === undefined || wanted === undefined ? {} : { firstByteMs }),
      ...(inPlace || runsMs === undefined ? {} : { runsMs }),
      disk: await locateDisk(client, layout, CLUSTER, claim),
      ...(source === undefined ? {} : { source }),
    };
  }

  async function removeClaim(name: string): Promise<void> {
    if (machine !== undefined && name === firstDataVolume(machine))
      await client.delete(resources.dataVolumes, name, namespace);
    await client.delete(resources.persistentVolumeClaims, name, namespace);
    await gone(`claim ${name}`, () => client.get(resources.persistentVolumeClaims, name, namespace));
  }

  async function gone(what: string, get: () => Promise<unknown>): Promise<void> {
    await waitFor(async () => (await get()) === undefined, {
      timeoutMs: SETTLE_MS,
      intervalMs: 50,
      what: `${what} to go`,
    });
  }

  async function tidy(): Promise<void> {
    for (const name of leftOver.splice(0)) await removeClaim(name);
  }

  async function abandon(): Promise<void> {
    const lost = machine;
    if (lost === undefined) return;
    const { items } = await client.list(resources.virtualMachineInstanceMigrations, { namespace });
    for (const item of items)
      await client.delete(resources.virtualMachineInstanceMigrations, item.metadata.name, namespace);
    await client.delete(resources.virtualMachines, lost.name, namespace);
    await gone(`VM ${lost.name}`, () => client.get(resources.virtualMachineInstances, lost.name, namespace));
    const claims = await client.list(resources.persistentVolumeClaims, { namespace });
    for (const { metadata } of claims.items) {
      if (!metadata.name.startsWith(`${lost.name}-`)) continue;
      await client.delete(resources.dataVolumes, metadata.name, namespace);
      await client.delete(resources.persistentVolumeClaims, metadata.name, namespace);
      await gone(`claim ${metadata.name}`, () =>
        client.get(resources.persistentVolumeClaims, metadata.name, namespace),
      );
    }
    leftOver.length = 0;
    machine = undefined;
  }

  return {
    watch,
    async wake() {
      if (machine === undefined) return boot();
      if (resting) await verb('unpause');
      resting = false;
    },
    move,
    async rest() {
      if (machine === undefined) return;
      await verb('pause');
      resting = true;
    },
    tidy,
    abandon,
    async [Symbol.asyncDispose]() {
      await abandon().catch((error: unknown) => {
        if (!isGodwitError(error, 'WAIT_TIMEOUT')) throw error;
        arena.say(`The guest of ${spec.name} does not go`);
      });
      observer[Symbol.dispose]();
      await watch[Symbol.asyncDispose]();
    },
  };
}
