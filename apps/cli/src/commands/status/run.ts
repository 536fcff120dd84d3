import { askSupervisor } from '../../local/control.ts';
import { layoutOf } from '../../local/layout.ts';
import { localClient, notReadyReason } from '../../local/lifecycle.ts';
import { processesOf } from '../../local/sweep.ts';
import { carriersOf, residentBytes } from '../../local/processes.ts';
import { readState } from '../../local/state.ts';
import { mebibytes, print, table } from '../../output.ts';

/** Prints what runs and what does not, and why. */
export async function runStatus(options: { dir: string; output: 'table' | 'json' }): Promise<void> {
  const layout = layoutOf(options.dir);
  const state = await readState(layout);
  const supervisor = await askSupervisor(layout.controlSocket, { do: 'status' });
  const orphans = supervisor ? 0 : processesOf(layout).length;
  const unattended =
    orphans === 0
      ? 'it is down'
      : `its supervisor is gone while ${orphans} processes run; "godwit up" takes them up, "godwit down" ends them`;
  const clusters = await Promise.all(
    (state?.clusters ?? []).map(async (cluster) => {
      const client = await localClient(layout, cluster);
      const reason = supervisor ? await notReadyReason(client, cluster) : unattended;
      client.close();
      return {
        name: cluster.name,
        nodes: cluster.nodes,
        ready: reason === undefined,
        ...(cluster.metricsPort !== undefined && { metrics: `https://127.0.0.1:${cluster.metricsPort}/metrics` }),
        ...(reason === undefined ? {} : { reason }),
      };
    }),
  );
  const processes = [
    ...(supervisor ? [{ name: 'supervisor', pid: supervisor.pid, restarts: 0 }] : []),
    ...(supervisor?.processes ?? []),
  ].map((kept) => ({
    name: kept.name,
    pid: kept.pid ?? null,
    restarts: kept.restarts,
    residentBytes: kept.pid === undefined ? 0 : residentBytes(kept.pid),
  }));
  const carriers = processes.flatMap(({ name, pid }) =>
    (pid === null ? [] : carriersOf(pid)).map((carrier) => ({
      of: name,
      pid: carrier,
      residentBytes: residentBytes(carrier),
    })),
  );
  if (
    clusters.some((cluster) => !cluster.ready) ||
    processes.some((kept) => kept.pid === null) ||
    clusters.length === 0
  )
    process.exitCode = 1;
  if (options.output === 'json') {
    print(
      JSON.stringify({ directory: layout.root, kubeconfig: layout.kubeconfig, clusters, processes, carriers }, null, 2),
    );
    return;
  }
  if (clusters.length === 0) {
    print(`There are no clusters in ${layout.root}; "godwit up" makes them.`);
    return;
  }
  print(
    table([
      ['CLUSTER', 'NODES', 'READY', 'METRICS'],
      ...clusters.map((cluster) => [
        cluster.name,
        cluster.nodes.join(','),
        cluster.ready ? 'yes' : `no: ${cluster.reason ?? ''}`,
        cluster.metrics ?? '-',
      ]),
    ]),
  );
  print();
  print(
    table([
      ['PROCESS', 'PID', 'RESTARTS', 'MEMORY'],
      ...processes.map((kept) => [
        kept.name,
        kept.pid === null ? '-' : String(kept.pid),
        String(kept.restarts),
        mebibytes(kept.residentBytes),
      ]),
      ...carriers.map((carrier) => [
        `${carrier.of}/carrier`,
        String(carrier.pid),
        '-',
        mebibytes(carrier.residentBytes),
      ]),
    ]),
  );
  const all = [...processes, ...carriers];
  print(`${all.length} processes, ${mebibytes(all.reduce((sum, one) => sum + one.residentBytes, 0))} together`);
}
