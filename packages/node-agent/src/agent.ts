import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectKey } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Hypervisor } from '@godwit/hypervisor';
import type { KubeClient } from '@godwit/kube-client';
import { createEventRecorder, createManager } from '@godwit/reconcile';
import { agentCaches } from './caches.ts';
import type { AgentConfig } from './config.ts';
import { createAgentMetrics } from './endpoint/metrics.ts';
import { createEndpoint } from './endpoint/server.ts';
import { chooseAcceleration } from './host/acceleration.ts';
import { knowProcessor } from './host/processor.ts';
import { directoriesOf, makeDirectories } from './host/directories.ts';
import { freeBytes } from './host/files.ts';
import { lockNode } from './host/node-lock.ts';
import type { NodeLock } from './host/node-lock.ts';
import { createImageStore } from './images/registry.ts';
import { createMachines } from './launcher/machines.ts';
import { createLauncherReconciler } from './launcher/reconciler.ts';
import { createMachineRecords } from './launcher/record.ts';
import { createMoves } from './moves/moves.ts';
import { createMoveReconciler } from './moves/reconciler.ts';
import { readHostFacts } from './node/host-facts.ts';
import { createNodeRegistration } from './node/register.ts';
import { createOfflineCopier } from './offline-copy/reconciler.ts';
import { createPopulator } from './population/reconciler.ts';
import { receiveUpload } from './population/upload.ts';
import { createVolumeReconciler } from './volumes/reconciler.ts';

/** Everything from outside that an agent works with; tests bring their own. */
export interface AgentDependencies {
  readonly client: KubeClient;
  readonly hypervisor: Hypervisor;
  readonly log: Logger;
  readonly clock: Clock;
  /** PEM texts of the HTTPS endpoint. */
  readonly endpointTls: { readonly certPem: string; readonly keyPem: string; readonly clientCaPem: string };
  /** PATH in which helper programs (skopeo, xorriso) are looked up. */
  readonly searchPath: string;
}

export interface NodeAgent extends AsyncDisposable {
  /**
   * Takes up what an earlier agent left running, registers the node and starts all duties. Waits for the end of another
   * agent of the same directory, and for the API server, as long as it takes; guests run on meanwhile.
   */
  start(): Promise<void>;
  /** Stops all duties; machines run on, a later agent adopts them. */
  stop(): Promise<void>;
}

export const agentVersion = 'v0.1.0+godwit';
const REGISTER_RETRY_MS = 1000;

export async function createNodeAgent(config: AgentConfig, dependencies: AgentDependencies): Promise<NodeAgent> {
  const { client: rawClient, hypervisor, log, clock, searchPath } = dependencies;
  const { nodeName } = config;
  const directories = directoriesOf(config);
  await makeDirectories(directories);
  const host = await readHostFacts(config.directory);
  const { acceleration, reason } = await chooseAcceleration(config, { bootId: host.bootId, searchPath });
  const processor = knowProcessor(config, { bootId: host.bootId, searchPath, acceleration, log });

  const manager = createManager({ client: rawClient, log, clock });
  const { client } = manager;
  const caches = agentCaches(manager, nodeName);
  const events = createEventRecorder({ client, component: 'godwit-node-agent', host: nodeName, log, clock });
  const records = createMachineRecords(directories.machines);
  const pools = { nodePool: directories.nodePool, sharedPool: directories.sharedPool };
  const images = createImageStore({ catalogue: directories.catalogue, cache: directories.imageCache, searchPath });
  const shared = { client, images, pools, searchPath, ...caches, events, records };

  const asleep: (key: ObjectKey) => void = () => undefined;
  const wake = { pod: asleep, instance: asleep };
  const machines = createMachines({
    hypervisor,
    acceleration,
    records,
    runRoot: directories.run,
    clock,
    log,
    onChange: ({ pod }) => wake.pod({ namespace: pod.namespace, name: pod.name }),
  });
  const metrics = createAgentMetrics(nodeName, () => ({
    machines: machines.list().length,
    migrations: moves.list().flatMap(({ outcome, record }) => (outcome === undefined ? [record.role] : [])),
  }));
  const io = { ...shared, machines };

  const address = config.migrationAddress;
  const moves = createMoves(
    {
      nodeName,
      address,
      acceleration,
      journalDir: directories.journal,
      machinesRoot: directories.machines,
      multifdChannels: config.multifdChannels,
    },
    {
      io: { ...io, hypervisor, metrics },
      clock,
      log,
      onChange: (key) => wake.instance(key),
      onPod: (key) => wake.pod(key),
    },
  );
  const moveReconciler = createMoveReconciler(
    { nodeName, address },
    { io: { ...io, metrics, moves }, clock, log: log.child({ duty: 'moves' }) },
  );
  const launcher = createLauncherReconciler(
    { nodeName, address, acceleration, qemu: hypervisor.version },
    { io: { ...io, moves }, clock, log: log.child({ duty: 'launcher' }) },
  );
  const populator = createPopulator(
    { nodeName, pools },
    {
      io: { ...shared, scratch: directories.imageCache, inUse: (path) => machines.uses(path) },
      clock,
      log: log.child({ duty: 'population' }),
    },
  );
  const offlineCopier = createOfflineCopier(
    { nodeName, pools },
    { io: { ...shared, inUse: (path) => machines.uses(path) }, clock, log: log.child({ duty: 'offline-copy' }) },
  );
  const volumes = createVolumeReconciler(
    { nodeName, pools },
    {
      io: { client, volumes: caches.volumes, inUse: (path) => machines.uses(path) },
      log: log.child({ duty: 'volumes' }),
    },
  );
  manager.add(volumes);
  manager.add(populator);
  manager.add(offlineCopier);
  wake.pod = manager.add(launcher);
  wake.instance = manager.add(moveReconciler);

  const endpoint = createEndpoint(
    { address: config.endpoint.address, port: config.endpoint.port, ...dependencies.endpointTls },
    {
      io: {
        machines,
        moves,
        metrics,
        upload: (key, upload) => receiveUpload(populator, directories.imageCache, key, upload),
      },
      log: log.child({ duty: 'endpoint' }),
    },
  );

  let registration: ReturnType<typeof createNodeRegistration> | undefined;
  const stopping = new AbortController();
  let lock: NodeLock | undefined;

  async function registerNode(endpointPort: number): Promise<void> {
    registration = createNodeRegistration(
      {
        nodeName,
        address,
        endpointPort,
        qemuVersion: `${hypervisor.version.major}.${hypervisor.version.minor}.${hypervisor.version.micro}`,
        acceleration,
        accelerationReason: reason,
        host,
        capacity: config.capacity,
        labels: config.labels,
        processor: await processor,
        agentVersion,
      },
      {
        client,
        clock,
        log,
        freeBytes: (pool) => freeBytes(pool === 'node' ? pools.nodePool : pools.sharedPool).catch(() => undefined),
      },
    );
    while (!stopping.signal.aborted) {
      try {
        await registration.register();
        return registration.start();
      } catch (error) {
        log.warn({ Node: nodeName, err: describeError(error) }, 'registration failed, trying again');
        await new Promise<void>((resolve) => {
          clock.after(REGISTER_RETRY_MS, resolve);
        });
      }
    }
  }

  /** Scratch files belong to downloads that ended with the agent that made them. */
  async function cleanScratch(): Promise<void> {
    await mkdir(directories.imageCache, { recursive: true });
    for (const name of await readdir(directories.imageCache))
      if (/^(?:download|upload|pull)-/.test(name))
        await rm(join(directories.imageCache, name), { recursive: true, force: true });
  }

  async function start(): Promise<void> {
    log.info({ Node: nodeName, acceleration, reason, qemu: hypervisor.version.text }, 'node agent starts');
    const mine = await lockNode(config.directory, { signal: stopping.signal, clock, log });
    if (!mine || stopping.signal.aborted) return mine?.release();
    lock = mine;
    await cleanScratch();
    const underMigration = await moves.recover();
    await machines.adoptAll(underMigration);
    // Pods that went while no agent ran are found by what they left here.
    for (const { pod } of await records.list()) wake.pod({ namespace: pod.namespace, name: pod.name });
    const port = await endpoint.start();
    await registerNode(port);
    await manager.start();
    log.info({ Node: nodeName, port, machines: machines.list().length }, 'node agent runs');
  }

  async function stop(): Promise<void> {
    stopping.abort();
    // Nothing may write into the node's directory after this.
    await processor;
    // It has not begun: another agent still has the node.
    if (!lock) return;
    registration?.stop();
    // First of all: a guest may stand still for a move.
    await moves.close();
    await endpoint.close();
    await populator.stop();
    await offlineCopier.stop();
    await manager.stop();
    // Those that began meanwhile.
    await moves.close();
    machines.close();
    await events.flush();
    await lock.release();
  }

  return { start, stop, [Symbol.asyncDispose]: stop };
}
