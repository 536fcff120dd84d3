import { join } from 'node:path';
import { RunnerObserver } from '@godwit/guest';
import type { Layout } from '../../local/layout.ts';
import type { LocalState } from '../../local/state.ts';

/** Sees every QEMU of these clusters soon after it starts. A migration's target exists long before it may run. */
export function watchRunners(layout: Layout, state: LocalState): { readonly observer: RunnerObserver } & Disposable {
  const observer = new RunnerObserver();
  const directories = state.clusters.flatMap((cluster) =>
    cluster.nodes.map((node) => join(layout.sockets, cluster.name, node)),
  );
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void observer.attachAll(directories).finally(() => {
      looking = false;
    });
  }, 50);
  return {
    observer,
    [Symbol.dispose]() {
      clearInterval(timer);
      observer[Symbol.dispose]();
    },
  };
}
