import { createInterface } from 'node:readline/promises';
import type { HandoverReport, HandoverRole, HandoverSide } from '@godwit/api';
import { GodwitError, describeError } from '@godwit/core/errors';
import { layoutOf } from '../../local/layout.ts';
import { localClient } from '../../local/lifecycle.ts';
import { pickCluster, readState } from '../../local/state.ts';
import { print } from '../../output.ts';
import type { ResolveOptions } from './command.ts';
import { fencingLines, handoverLines } from './render.ts';

interface Found {
  readonly cluster: string;
  readonly report: HandoverReport;
}

/** Both sides in one report: a side that is in another cluster is described by that cluster, when it is a local one. */
export function joined(own: HandoverReport, others: readonly HandoverReport[]): HandoverReport {
  const side = (role: HandoverRole): HandoverReport['source'] => {
    if (!own[role].elsewhere) return own[role];
    return others.find((other) => !other[role].elsewhere && own !== other)?.[role] ?? own[role];
  };
  return { ...own, source: side('source'), target: side('target') };
}

/** The cluster whose node agent has to carry out the decision. */
export function choose(found: readonly Found[], run: HandoverRole | undefined): Found | undefined {
  return found.find(({ report }) => run === undefined || !report[run].elsewhere) ?? found[0];
}

async function isConfirmed(vm: string, run: HandoverRole): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const other = run === 'source' ? 'target' : 'source';
  const answer = await terminal.question(`Type the name of the VM to confirm that its ${other} is fenced: `);
  terminal.close();
  return answer.trim() === vm;
}

/** Says what is known of an undecided handover and, when asked and confirmed, lets one side run. */
export async function runResolve(vm: string, options: ResolveOptions): Promise<void> {
  const { run, namespace } = options;
  const layout = layoutOf(options.dir);
  const state = await readState(layout);
  pickCluster(layout, state, options.cluster);
  const clusters = state?.clusters ?? [];
  const path = `/apis/subresources.kubevirt.io/v1/namespaces/${encodeURIComponent(namespace)}/virtualmachineinstances/${encodeURIComponent(vm)}/resolve`;
  const found: Found[] = [];
  const absent: string[] = [];
  for (const cluster of clusters) {
    const client = await localClient(layout, cluster);
    try {
      // The cast is safe: our own API server answers so.
      found.push({ cluster: cluster.name, report: (await client.request('GET', path)) as HandoverReport });
    } catch (error) {
      absent.push(`${cluster.name}: ${describeError(error).replace(/^.* was refused: /, '')}`);
    } finally {
      client.close();
    }
  }
  const wanted = found.filter(({ cluster }) => options.cluster === undefined || cluster === options.cluster);
  const chosen = choose(wanted, run);
  if (!chosen)
    throw new GodwitError('HANDOVER_ABSENT', `VM ${namespace}/${vm} has no handover to decide; ${absent.join('; ')}`);
  const reports = found.map((one) => one.report);
  const report = joined(chosen.report, reports);
  for (const line of handoverLines(`VM ${namespace}/${vm} in cluster ${chosen.cluster}`, report, Date.now()))
    print(line);
  if (run === undefined) return;
  if (!report.undecided)
    throw new GodwitError('MIGRATION_NOT_UNDECIDED', `VM ${namespace}/${vm} needs no decision; nothing was done`);
  print();
  for (const line of fencingLines(run, report)) print(line);
  if (!options.yes && !(await isConfirmed(vm, run)))
    throw new GodwitError(
      'HANDOVER_UNCONFIRMED',
      'Nothing was done. When the other side is certainly off, say so with --yes',
    );
  const other: HandoverRole = run === 'source' ? 'target' : 'source';
  const rival = report[other].side;
  if (rival && rival.guest !== 'gone')
    throw new GodwitError(
      'HANDOVER_REFUSED',
      `The ${other} is not fenced: its node agent answers and its QEMU is ${rival.guest}; nothing was done`,
    );
  const client = await localClient(layout, pickCluster(layout, state, chosen.cluster));
  try {
    const decision = run === 'source' ? 'resume-source' : 'run-target';
    // The cast is safe: our own API server answers so.
    const side = (await client.request('PUT', `${path}?decision=${decision}`)) as HandoverSide;
    print(`Decided: the ${run} has the guest (${side.phase}, its QEMU is ${side.guest}).`);
    if (side.guest !== 'running') process.exitCode = 1;
  } finally {
    client.close();
  }
}
