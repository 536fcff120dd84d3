import { askSupervisor } from '../../local/control.ts';
import { layoutOf } from '../../local/layout.ts';
import { down, up } from '../../local/lifecycle.ts';
import { INTERRUPTED, watchInterruption } from '../../interruption.ts';
import { print, printError, shellWord } from '../../output.ts';

/**
 * Starts the clusters; without `detach` stays until a signal and then takes them down again. A signal before they are
 * ready ends what was started, but nothing that ran before; the exit status is 130 then.
 */
export async function runUp(options: {
  clusters: string[];
  nodes: number;
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
  const keepAlive = setInterval(() => undefined, 60_000);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  clearInterval(keepAlive);
  await down(options.dir);
}
