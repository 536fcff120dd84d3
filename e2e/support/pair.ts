import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { names, resources } from '@godwit/api';
import type { MigrationConfiguration } from '@godwit/api';
import { buildGuestImage, defaultCacheDirectory } from '@godwit/guest';
import { guestImage } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Cluster } from '../../apps/cli/src/commands/demo/session.ts';
import { addImage } from '../../apps/cli/src/local/catalogue.ts';
import type { Layout } from '../../apps/cli/src/local/layout.ts';
import { down, up } from '../../apps/cli/src/local/lifecycle.ts';
import type { LocalState } from '../../apps/cli/src/local/state.ts';

/** Two clusters of two nodes each in a directory of their own. Disposal leaves nothing behind. */
export interface Pair extends AsyncDisposable {
  readonly directory: string;
  readonly layout: Layout;
  readonly state: LocalState;
  readonly alpha: Cluster;
  readonly beta: Cluster;
}

/** With `GODWIT_E2E_KEEP` set, logs and databases stay to be looked into; processes end in any case. */
const purge = process.env['GODWIT_E2E_KEEP'] === undefined;

/**
 * Brings up the pair with the guest's image in its catalogue. Volume changes are not migrated by themselves here, so that
 * every migration is one that the test made.
 */
export async function startPair(): Promise<Pair> {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-e2e-'));
  try {
    const image = await buildGuestImage({ cacheDirectory: defaultCacheDirectory(process.env) });
    const clusters = await up({ dir: directory, clusters: ['alpha', 'beta'], nodes: 2 });
    const { layout, state } = clusters;
    await addImage(layout.images, guestImage, image);
    const alpha: Cluster = { name: 'alpha', client: await clusters.client('alpha') };
    const beta: Cluster = { name: 'beta', client: await clusters.client('beta') };
    for (const cluster of [alpha, beta])
      await patchKubeVirt(cluster, { workloadUpdateStrategy: { workloadUpdateMethods: [] } });
    return {
      directory,
      layout,
      state,
      alpha,
      beta,
      async [Symbol.asyncDispose]() {
        alpha.client.close();
        beta.client.close();
        await down(directory, purge);
      },
    };
  } catch (error) {
    await down(directory, purge);
    throw error;
  }
}

/** Migrations that begin from now on obey these; a low `bandwidthPerMigration` gives a test time to act in their middle. */
export async function configureMigrations(pair: Pair, migrations: MigrationConfiguration): Promise<void> {
  for (const cluster of [pair.alpha, pair.beta]) await patchKubeVirt(cluster, { configuration: { migrations } });
}

async function patchKubeVirt({ client }: Cluster, spec: object): Promise<void> {
  const body = { type: 'merge', patch: { spec } } as const;
  await client.patch(resources.kubeVirts, names.kubeVirtName, names.installNamespace, body);
}
