import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { describeError } from '@godwit/core/errors';
import { askSupervisor } from '../../local/control.ts';
import { layoutOf } from '../../local/layout.ts';
import { down, up } from '../../local/lifecycle.ts';
import { INTERRUPTED, watchInterruption } from '../../interruption.ts';
import { print, printError, shellWord } from '../../output.ts';

const LOOK_MS = 2_000;

/**
 * Starts the clusters; without `detach` stays until a signal and then takes them down again. A signal before they are
 * ready ends what was started, but nothing that ran before; the exit status is 130 then.
 */
export async function runUp(options: {
  clusters: string[];
  nodes?: number;
  detach: boolean;
  dir: string;
}): Promise<void> {
  using interruption = watchInterruption();
  const { signal } = interruption;
  const started = Date.now();
  const ranBefore = (await askSupervisor(layoutOf(options.dir).controlSocket, { do: 'status' })) !== undefined;
  try {
    const { layout, state } = await up({ ...options, signal });
    const sizes = state.clusters.map(
      ({ name, nodes }) => `${name} (${nodes.length} node${nodes.length === 1 ? '' : 's'})`,
    );
    print(`${sizes.join(', ')} ready after ${((Date.now() - started) / 1000).toFixed(1)} s`);
    for (const { name, nodes } of state.clusters.filter((cluster) => options.clusters.includes(cluster.name)))
      if (nodes.length > (options.nodes ?? nodes.length))
        print(`${name} keeps its ${nodes.length} nodes: "up" takes none away`);
    print(`export KUBECONFIG=${shellWord(layout.kubeconfig)}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
    if (ranBefore)
      return printError('Interrupted. What ran before runs on; "godwit status" shows how far the rest is.');
    printError('Interrupted; stopping what was started.');
    return down(options.dir);
  }
  if (options.detach) return;
  print('Press Ctrl-C to stop the clusters.');
  if (await stay(options, signal)) await down(options.dir);
  else printError('Somebody else has stopped the clusters.');
}

/** Until the signal, or (false) until the clusters are stopped from elsewhere. A supervisor that dies is started again. */
async function stay(options: { clusters: string[]; dir: string }, signal: AbortSignal): Promise<boolean> {
  const layout = layoutOf(options.dir);
  while (!signal.aborted) {
    await pause(LOOK_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted || (await askSupervisor(layout.controlSocket, { do: 'status' })) !== undefined) continue;
    // Whoever stops clusters removes their sockets.
    if (!existsSync(layout.sockets)) return false;
    try {
      await up({ clusters: options.clusters, dir: options.dir, signal });
      print('The supervisor had ended; it runs again.');
    } catch (error) {
      if (!signal.aborted) printError(`The supervisor has ended and cannot be started: ${describeError(error)}`);
    }
  }
  return true;
}
