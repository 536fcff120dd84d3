import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resources } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import {
  buildGuestImage,
  defaultCacheDirectory,
  oracleUserData,
  OracleObserver,
  verifyOracleDisk,
} from '@godwit/guest';
import { addImage } from '../../local/catalogue.ts';
import { askSupervisor } from '../../local/control.ts';
import { layoutOf } from '../../local/layout.ts';
import { down, up } from '../../local/lifecycle.ts';
import type { LocalClusters } from '../../local/lifecycle.ts';
import { INTERRUPTED, watchInterruption } from '../../interruption.ts';
import { print, printError, shellWord } from '../../output.ts';
import type { DemoOptions } from './command.ts';
import { explain } from './explain.ts';
import { LiveLine } from './live-line.ts';
import { locateDisk } from './locate-disk.ts';
import { moveCluster, moveNode, moveStorage, moveStorageToOtherNode } from './moves.ts';
import type { Moved } from './moves.ts';
import { dataDiskSerial, guestImage, namespace, virtualMachine, volumeName } from './objects.ts';
import type { Guest, Storage } from './objects.ts';
import { moveLine, renderReport } from './render.ts';
import { demoReport, problems, reportMove } from './report.ts';
import type { Findings, MeasuredMove } from './report.ts';
import { getInstance } from './session.ts';
import type { Cluster, Session, Whereabouts } from './session.ts';
import { watchRunners } from './watch-runners.ts';

const local: Storage = { storageClass: 'local', accessMode: 'ReadWriteOnce', volumeMode: 'Filesystem' };
const shared: Storage = { storageClass: 'shared', accessMode: 'ReadWriteMany', volumeMode: 'Filesystem' };
const block: Storage = { storageClass: 'block', accessMode: 'ReadWriteMany', volumeMode: 'Block' };
const localBlock: Storage = { storageClass: 'local-block', accessMode: 'ReadWriteOnce', volumeMode: 'Block' };

/**
 * The main job, end to end. Resolves with the exit status: 0 only when every move succeeded, no acknowledged write is missing or
 * corrupt, the guest never rebooted and never more than one copy ran; 1 otherwise; 130 when interrupted.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  using interrupted = watchInterruption();
  // A report that cannot be written is better known before the work than after it.
  if (options.json !== undefined) await (await open(options.json, 'a')).close();
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'godwit-demo-')));
  // Clusters that somebody already works with are used, and left as they are.
  const foreign = (await askSupervisor(layoutOf(dir).controlSocket, { do: 'status' })) !== undefined;
  let evidence = false;
  try {
    const local = await startClusters(dir, interrupted.signal);
    const status = await demonstrate(local, options, interrupted.signal);
    evidence = status !== 0;
    return status;
  } catch (error) {
    if (options.json !== undefined && (await stat(options.json)).size === 0) await rm(options.json);
    if (interrupted.signal.aborted) {
      printError('Interrupted.');
      return INTERRUPTED;
    }
    evidence = true;
    throw error;
  } finally {
    if (options.keep || foreign) print(`The clusters run on. To stop them: npx godwit down --dir ${shellWord(dir)}`);
    else await down(dir);
    if (evidence) printError(`Logs and disks are kept: "npx godwit logs --dir ${shellWord(dir)}" shows what happened.`);
    else if (options.dir === undefined && !options.keep) await rm(dir, { recursive: true, force: true });
  }
}

async function startClusters(dir: string, signal: AbortSignal): Promise<LocalClusters> {
  const started = performance.now();
  const image = buildGuestImage({ cacheDirectory: defaultCacheDirectory(process.env) });
  image.catch(() => undefined); // awaited below; must not count as unhandled while the clusters start
  const clusters = await up({ dir, clusters: ['alpha', 'beta'], nodes: 2, signal });
  print(`Clusters alpha and beta, two nodes each, ready after ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  print(`export KUBECONFIG=${shellWord(clusters.layout.kubeconfig)}`);
  await addImage(clusters.layout.images, guestImage, await image);
  return clusters;
}

async function demonstrate(clusters: LocalClusters, options: DemoOptions, signal: AbortSignal): Promise<number> {
  const runId = randomBytes(8).toString('hex');
  await using oracle = await OracleObserver.start({ runId });
  using runners = watchRunners(clusters.layout, clusters.state);
  const alpha: Cluster = { name: 'alpha', client: await clusters.client('alpha') };
  const beta: Cluster = { name: 'beta', client: await clusters.client('beta') };
  const guest: Guest = {
    name: `oracle-${runId.slice(0, 4)}`,
    userData: oracleUserData({ runId, reportPort: oracle.port, diskSerial: dataDiskSerial, memoryMib: 8 }),
    firmwareUuid: randomUUID(),
    macAddress: `52:54:00:${runId.slice(0, 6).replaceAll(/(..)(?=.)/g, '$1:')}`,
  };
  const line = new LiveLine(process.stdout, { now: () => performance.now() });
  const session: Session = { guest, oracle, runners: runners.observer, line, signal, moveTimeoutMs: 180_000 };
  try {
    let at = await boot(session, alpha);
    const moves: MeasuredMove[] = [];
    const moved = ({ measured, now }: Moved): void => {
      moves.push(measured);
      line.print(moveLine(reportMove(measured)));
      at = now;
    };
    moved(await moveStorage(session, at, shared));
    moved(await moveNode(session, at));
    moved(await moveStorage(session, at, block));
    moved(await moveCluster(session, at, beta, local));
    moved(await moveStorageToOtherNode(session, at, localBlock));
    return await conclude(session, clusters, at, moves, options);
  } catch (error) {
    if (!signal.aborted) {
      line.print('');
      for (const cluster of [alpha, beta])
        for (const text of await explain(cluster.client, cluster.name, guest.name)) printError(text);
    }
    throw error;
  } finally {
    alpha.client.close();
    beta.client.close();
  }
}

async function boot(session: Session, cluster: Cluster): Promise<Whereabouts> {
  const { guest, oracle, line, signal } = session;
  line.update(`booting ${guest.name} in cluster ${cluster.name}`, 'boot');
  const started = performance.now();
  await cluster.client.create(resources.virtualMachines, virtualMachine(guest, local, 1, 'source'));
  await oracle.waitForWrites(200, 120_000, signal);
  const node = (await getInstance(cluster, guest))?.status?.nodeName ?? '';
  line.print(
    `booted ${guest.name} on ${node} of ${cluster.name}, 200 writes acknowledged after ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
  return { cluster, storage: local, place: 1 };
}

/** Switches the guest off so that its last disk can be read, checks every write, reports. */
async function conclude(
  session: Session,
  clusters: LocalClusters,
  at: Whereabouts,
  moves: readonly MeasuredMove[],
  options: DemoOptions,
): Promise<number> {
  const { guest, oracle, runners, line } = session;
  const { client, name } = at.cluster;
  line.update('switching the guest off to read its disk', 'off');
  await setRunStrategy(at.cluster, guest, 'Halted');
  await waitFor(async () => (await getInstance(at.cluster, guest)) === undefined, {
    timeoutMs: 90_000,
    intervalMs: 100,
    what: 'the guest to be off',
    signal: session.signal,
  });
  const disk = await locateDisk(client, clusters.layout, name, volumeName(guest, 'data', at.place));
  const summary = oracle.log.summary();
  const verdict = await verifyOracleDisk(disk, oracle.runId, summary.acknowledged);
  if (options.keep) await setRunStrategy(at.cluster, guest, 'Always');
  const findings: Findings = { moves, guest: summary, disk: verdict, runnersMax: runners.runnersMax() };
  const report = demoReport(findings);
  line.print('');
  print(renderReport(report, findings));
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  const found = problems(findings);
  for (const problem of [...found, ...verdict.faults]) printError(problem);
  if (found.length === 0) print('Nothing was lost.');
  return found.length === 0 ? 0 : 1;
}

async function setRunStrategy({ client }: Cluster, guest: Guest, runStrategy: 'Always' | 'Halted'): Promise<void> {
  await client.patch(resources.virtualMachines, guest.name, namespace, {
    type: 'merge',
    patch: { spec: { runStrategy } },
  });
}
