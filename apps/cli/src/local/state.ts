import { open, readFile, rename } from 'node:fs/promises';
import { GodwitError } from '@godwit/core/errors';
import type { Layout } from './layout.ts';

export interface ClusterState {
  readonly name: string;
  readonly nodes: readonly string[];
  /** Fixed when the cluster is made, so that kubeconfigs stay valid over restarts. */
  readonly apiPort: number;
  readonly syncPort: number;
  /** Where the controllers serve metrics; given to clusters of earlier versions by the next `godwit up`. */
  readonly metricsPort?: number;
}

/** What `godwit up` made; the only file that later commands need. */
export interface LocalState {
  readonly version: 1;
  readonly clusters: readonly ClusterState[];
}

/** The saved state, or undefined when nothing was made in this directory. */
export async function readState(layout: Layout): Promise<LocalState | undefined> {
  let text: string;
  try {
    text = await readFile(layout.stateFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let state: LocalState;
  try {
    state = JSON.parse(text) as LocalState;
  } catch (cause) {
    throw new GodwitError(
      'LOCAL_STATE_INVALID',
      `${layout.stateFile} is damaged; use another --dir or remove the directory`,
      { cause },
    );
  }
  if (state.version !== 1) {
    throw new GodwitError(
      'LOCAL_STATE_VERSION',
      `${layout.stateFile} was written by another version of godwit; use another --dir or remove the directory`,
    );
  }
  return state;
}

/** Durable: on return the new content survives a crash. */
export async function writeState(layout: Layout, state: LocalState): Promise<void> {
  const temporary = `${layout.stateFile}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(state, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, layout.stateFile);
}

/** The cluster of that name, or the first one. Throws `LOCAL_MISSING` or `CLUSTER_UNKNOWN`, which names those there are. */
export function pickCluster(layout: Layout, state: LocalState | undefined, name: string | undefined): ClusterState {
  const clusters = state?.clusters ?? [];
  const [first] = clusters;
  if (!first) throw new GodwitError('LOCAL_MISSING', `There are no clusters in ${layout.root}; "godwit up" makes them`);
  const found = name === undefined ? first : clusters.find((cluster) => cluster.name === name);
  if (found) return found;
  const known = clusters.map((cluster) => cluster.name).join(', ');
  throw new GodwitError(
    'CLUSTER_UNKNOWN',
    `There is no local cluster "${name ?? ''}" in ${layout.root}; there are: ${known}`,
  );
}
