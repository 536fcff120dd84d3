import { down, up } from '../../local/lifecycle.ts';
import { print, shellWord } from '../../output.ts';

/** Starts the clusters; without `detach` stays until a signal and then takes them down again. */
export async function runUp(options: {
  clusters: string[];
  nodes: number;
  detach: boolean;
  dir: string;
}): Promise<void> {
  const started = Date.now();
  const { layout, state } = await up(options);
  print(
    `${state.clusters.map((cluster) => `${cluster.name} (${cluster.nodes.length} ${cluster.nodes.length === 1 ? 'node' : 'nodes'})`).join(', ')} ready after ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
  print(`export KUBECONFIG=${shellWord(layout.kubeconfig)}`);
  if (options.detach) return;
  print('Press Ctrl-C to stop the clusters.');
  const keepAlive = setInterval(() => undefined, 60_000);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  clearInterval(keepAlive);
  await down(options.dir);
}
