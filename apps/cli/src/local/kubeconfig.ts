import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Layout } from './layout.ts';
import type { LocalState } from './state.ts';

/** Writes one kubeconfig with one administrator context per cluster; the first cluster is the current context. */
export async function writeKubeconfig(layout: Layout, state: LocalState): Promise<void> {
  const parts = await Promise.all(
    state.clusters.map(async (cluster) => {
      const { pki } = layout.cluster(cluster.name);
      const data = async (file: string): Promise<string> => (await readFile(join(pki, file))).toString('base64');
      return {
        cluster: {
          name: cluster.name,
          cluster: {
            server: `https://127.0.0.1:${cluster.apiPort}`,
            'certificate-authority-data': await data('ca.crt'),
          },
        },
        user: {
          name: `${cluster.name}-admin`,
          user: { 'client-certificate-data': await data('admin.crt'), 'client-key-data': await data('admin.key') },
        },
        context: {
          name: cluster.name,
          context: { cluster: cluster.name, user: `${cluster.name}-admin`, namespace: 'default' },
        },
      };
    }),
  );
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': state.clusters[0]?.name ?? '',
    clusters: parts.map((part) => part.cluster),
    users: parts.map((part) => part.user),
    contexts: parts.map((part) => part.context),
    preferences: {},
  };
  await writeFile(layout.kubeconfig, stringify(config), { mode: 0o600 });
}
