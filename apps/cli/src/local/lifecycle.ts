import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { access, chmod, constants, mkdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isTrue, names, resources } from '@godwit/api';
import type { KubeVirt, Node } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { createKubeClient } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import { warmCompileCache } from './compile-cache.ts';
import { daemonArguments, daemonEnvironment } from './daemon.ts';
import { askSupervisor } from './control.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { lastWords } from './last-words.ts';
import { layoutOf } from './layout.ts';
import { lockDirectory } from './lock.ts';
import type { Layout } from './layout.ts';
import { ensurePki } from './pki.ts';
import { freePorts } from './ports.ts';
import { readState, writeState } from './state.ts';
import type { ClusterState, LocalState } from './state.ts';
import { sweep } from './sweep.ts';

export interface UpOptions {
  readonly dir: string;
  readonly clusters: readonly string[];
  /** Nodes of each cluster, named node1, node2, … Undefined: as many as there are, two in a new cluster. None is taken away. */
  readonly nodes?: number;
  readonly readyTimeoutMs?: number;
  /** Ends the waiting: `up` then rejects with its reason and leaves what it has started. */
  readonly signal?: AbortSignal;
}

/** How long a supervisor may take to answer on a busy machine. */
const SUPERVISOR_MS = 60_000;
const DEFAULT_NODES = 2;
/** A daemon that has been started so often without lasting will not make its cluster ready. */
const HOPELESS_STARTS = 5;
const ANSWER_MS = 1_000;
const CLUSTER_NAME = /^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/;

function checkOptions(options: UpOptions): void {
  const wrong = options.clusters.find((name) => !CLUSTER_NAME.test(name));
  if (wrong !== undefined) {
    throw new GodwitError(
      'CLUSTER_NAME_INVALID',
      `Cluster name "${wrong}" must be 1 to 20 lower-case letters, digits and dashes`,
    );
  }
  const { nodes = DEFAULT_NODES } = options;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 16) {
    throw new GodwitError('NODE_COUNT_INVALID', `--nodes must be a whole number from 1 to 16`);
  }
}

/** The saved state grown by what is missing; nothing is ever taken away. */
async function grownState(layout: Layout, options: UpOptions): Promise<LocalState> {
  const old = await readState(layout);
  const missing = options.clusters.filter((name) => !old?.clusters.some((cluster) => cluster.name === name));
  const unmetered = (old?.clusters ?? []).filter(({ metricsPort }) => metricsPort === undefined);
  const ports = await freePorts(missing.length * 3 + unmetered.length);
  const nodes = (count: number): string[] => Array.from({ length: count }, (_, i) => `node${i + 1}`);
  const kept = (old?.clusters ?? []).map((cluster): ClusterState => ({
    ...cluster,
    metricsPort: cluster.metricsPort ?? ports[missing.length * 3 + unmetered.indexOf(cluster)] ?? 0,
    nodes: [
      ...new Set([...cluster.nodes, ...(options.clusters.includes(cluster.name) ? nodes(options.nodes ?? 0) : [])]),
    ],
  }));
  const added = missing.map((name, i): ClusterState => ({
    name,
    nodes: nodes(options.nodes ?? DEFAULT_NODES),
    apiPort: ports[3 * i] ?? 0,
    syncPort: ports[3 * i + 1] ?? 0,
    metricsPort: ports[3 * i + 2] ?? 0,
  }));
  return { version: 1, clusters: [...kept, ...added] };
}

/** Makes a directory and those above it. Unlike `recursive` it ends where directories cannot be made, as below /proc. */
async function makeRoot(directory: string): Promise<void> {
  if (await stat(directory).catch(() => undefined)) return;
  const above = dirname(directory);
  if (above !== directory) await makeRoot(above);
  await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

async function makeDirectories(layout: Layout, state: LocalState): Promise<void> {
  await makeRoot(layout.root);
  await mkdir(layout.sockets, { recursive: true, mode: 0o700 });
  await chmod(layout.sockets, 0o700);
  await mkdir(layout.images, { recursive: true });
  for (const cluster of state.clusters) {
    const at = layout.cluster(cluster.name);
    for (const directory of [at.shared, at.logs, at.config, ...cluster.nodes.map((node) => at.node(node))])
      await mkdir(directory, { recursive: true, mode: 0o700 });
    await ensurePki(at.pki, cluster.name, cluster.nodes);
  }
}

async function startSupervisor(layout: Layout): Promise<void> {
  const output = openSync(layout.supervisorLog, 'a', 0o600);
  const script = fileURLToPath(new URL('./supervisor-main.ts', import.meta.url));
  spawn(process.execPath, [...daemonArguments, script, `${layout.root}/`, layout.sockets], {
    detached: true,
    stdio: ['ignore', output, output],
    env: daemonEnvironment(),
  }).unref();
  closeSync(output);
  const answers = async (): Promise<boolean> =>
    (await askSupervisor(layout.controlSocket, { do: 'status' })) !== undefined;
  await waitFor(answers, { timeoutMs: SUPERVISOR_MS, what: `the supervisor; its log is ${layout.supervisorLog}` });
}

/** Administrator's client of one local cluster. */
export async function localClient(layout: Layout, cluster: ClusterState): Promise<KubeClient> {
  const { pki } = layout.cluster(cluster.name);
  const read = async (file: string): Promise<string> => await readFile(join(pki, file), 'utf8');
  return createKubeClient(
    {
      server: `https://127.0.0.1:${cluster.apiPort}`,
      caPem: await read('ca.crt'),
      certPem: await read('admin.crt'),
      keyPem: await read('admin.key'),
    },
    { log: silentLogger },
  );
}

/** What still keeps a cluster from being ready, in words; undefined when it is. */
export async function notReadyReason(client: KubeClient, cluster: ClusterState): Promise<string | undefined> {
  try {
    const { items } = await client.list<Node>(resources.nodes);
    const ready = items.filter((node) => isTrue(node.status?.conditions, 'Ready')).map((node) => node.metadata.name);
    const waiting = cluster.nodes.filter((node) => !ready.includes(node));
    if (waiting.length > 0) return `node ${waiting.join(', ')} is not ready`;
    const kubeVirt = await client.get<KubeVirt>(resources.kubeVirts, names.kubeVirtName, names.installNamespace);
    if (kubeVirt?.status?.phase !== 'Deployed') return `KubeVirt is ${kubeVirt?.status?.phase ?? 'not there yet'}`;
    const classes = await client.list(resources.storageClasses);
    return classes.items.length === 0 ? 'there is no storage class yet' : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The process of a cluster that is started in vain again and again, and what it said last; undefined when there is none. */
async function whatKeepsEnding(layout: Layout, cluster: string): Promise<string | undefined> {
  const reply = await askSupervisor(layout.controlSocket, { do: 'status' });
  const one = reply?.processes.find(
    ({ name, vainStarts }) => name.startsWith(`${cluster}/`) && vainStarts >= HOPELESS_STARTS,
  );
  if (one === undefined) return undefined;
  const file = join(layout.cluster(cluster).logs, `${one.name.slice(cluster.length + 1)}.log`);
  const said = lastWords(await readFile(file, 'utf8').catch(() => ''));
  return `${one.name} was started ${one.vainStarts} times and ended each time${said === '' ? '' : `, last with: ${said}`}`;
}

export interface LocalClusters {
  readonly layout: Layout;
  readonly state: LocalState;
  client(cluster: string): Promise<KubeClient>;
}

/** Several at once, in one directory, take turns: none sees what another has half made. */
async function makeAndStart(layout: Layout, options: UpOptions): Promise<LocalState> {
  await using _turn = await lockDirectory(layout);
  const state = await grownState(layout, options);
  // Making keys and compiling wait for nothing of each other.
  await Promise.all([makeDirectories(layout, state), warmCompileCache()]);
  await writeState(layout, state);
  await writeKubeconfig(layout, state);
  options.signal?.throwIfAborted();
  if (!(await askSupervisor(layout.controlSocket, { do: 'reload' }))) await startSupervisor(layout);
  return state;
}

/**
 * Brings the clusters up and resolves when every node is ready. Idempotent: what runs is left alone, what is missing is
 * added. Rejects with `LOCAL_NOT_READY` naming what is missing after `readyTimeoutMs` (default 60 s); the processes are
 * then left running for inspection.
 */
export async function up(options: UpOptions): Promise<LocalClusters> {
  checkOptions(options);
  const layout = layoutOf(options.dir);
  const state = await makeAndStart(layout, options);
  const client = async (name: string): Promise<KubeClient> => {
    const cluster = state.clusters.find((candidate) => candidate.name === name);
    if (!cluster) throw new GodwitError('CLUSTER_UNKNOWN', `There is no local cluster "${name}" in ${layout.root}`);
    return await localClient(layout, cluster);
  };
  await Promise.all(
    state.clusters.map(async (cluster) => {
      const kube = await client(cluster.name);
      let reason: string | undefined = 'it has not answered yet';
      let asked: Promise<string | undefined> | undefined;
      const isReady = async (): Promise<boolean> => {
        // A server that is not there is asked for long.
        asked ??= notReadyReason(kube, cluster).finally(() => (asked = undefined));
        reason = await Promise.race([asked, pause(ANSWER_MS, reason)]);
        if (reason === undefined) return true;
        const ending = await whatKeepsEnding(layout, cluster.name);
        if (ending !== undefined) throw new GodwitError('LOCAL_NOT_READY', (reason = ending));
        return false;
      };
      try {
        await waitFor(isReady, {
          timeoutMs: options.readyTimeoutMs ?? 60_000,
          intervalMs: 100,
          what: cluster.name,
          ...(options.signal && { signal: options.signal }),
        });
      } catch {
        options.signal?.throwIfAborted();
        throw new GodwitError(
          'LOCAL_NOT_READY',
          `Cluster "${cluster.name}" is not ready: ${reason ?? ''}; logs are in ${layout.cluster(cluster.name).logs}`,
        );
      } finally {
        kube.close();
      }
    }),
  );
  return { layout, state, client };
}

/**
 * Stops every process of the directory, guests included, and removes the sockets. Data stays unless `purge` is set; then
 * what godwit made goes, and the directory if nothing else is in it. Rejects with `LOCAL_MISSING`, having removed
 * nothing, when there is data to purge in a directory that is not godwit's.
 */
export async function down(dir: string, purge = false): Promise<void> {
  const layout = layoutOf(dir);
  // Somebody else's clusters cannot be stopped, nor seen.
  await access(layout.root, constants.R_OK | constants.W_OK | constants.X_OK).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await using _turn = await lockDirectory(layout);
  await askSupervisor(layout.controlSocket, { do: 'stop' });
  await sweep(layout);
  await rm(layout.sockets, { recursive: true, force: true });
  if (purge) await removeData(layout);
}

async function removeData(layout: Layout): Promise<void> {
  const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;
  if (!(await isThere(layout.root))) return;
  // Somebody else's directory may have entries of these names.
  if (!(await isThere(layout.stateFile)))
    throw new GodwitError('LOCAL_MISSING', `There are no clusters in ${layout.root}; nothing was removed`);
  // The state goes last: what an interruption leaves behind can be purged again.
  for (const path of [...layout.data, layout.stateFile]) await rm(path, { recursive: true, force: true });
  await rmdir(layout.root).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY') throw error;
  });
}
