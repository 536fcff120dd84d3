import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Layout } from './layout.ts';
import type { LocalState } from './state.ts';

/** One process that the supervisor keeps running. */
export interface PlannedProcess {
  /** `<cluster>/<process>`, for example `alpha/node-node1`. */
  readonly name: string;
  readonly script: string;
  readonly configFile: string;
  readonly config: object;
  readonly logFile: string;
}

const SERVER_SOURCES = fileURLToPath(new URL('../../../server/src/', import.meta.url));

/** Every process of every cluster, with the configuration file it is started with. Pure. */
export function planProcesses(layout: Layout, state: LocalState): PlannedProcess[] {
  return state.clusters.flatMap((cluster) => {
    const at = layout.cluster(cluster.name);
    const pki = (file: string): string => join(at.pki, file);
    const server = `https://127.0.0.1:${cluster.apiPort}`;
    const planned = (name: string, script: string, config: object): PlannedProcess => ({
      name: `${cluster.name}/${name}`,
      script: join(SERVER_SOURCES, script),
      configFile: join(at.config, `${name}.json`),
      config,
      logFile: join(at.logs, `${name}.log`),
    });
    return [
      planned('api-server', 'api-server.ts', {
        cluster: cluster.name,
        database: at.database,
        host: '127.0.0.1',
        port: cluster.apiPort,
        tls: { certFile: pki('api-server.crt'), keyFile: pki('api-server.key'), clientCaFile: pki('ca.crt') },
        agentClient: {
          certFile: pki('api-server-client.crt'),
          keyFile: pki('api-server-client.key'),
          caFile: pki('ca.crt'),
        },
        serviceAccountKeyFile: pki('service-accounts.key'),
      }),
      planned('controllers', 'controllers.ts', {
        clusterName: cluster.name,
        endpoint: { server, caFile: pki('ca.crt'), certFile: pki('controllers.crt'), keyFile: pki('controllers.key') },
        kubevirtCa: { certFile: pki('kubevirt-ca.crt'), keyFile: pki('kubevirt-ca.key') },
        syncListen: { host: '127.0.0.1', port: cluster.syncPort },
        ...(cluster.metricsPort !== undefined && {
          metricsListen: {
            host: '127.0.0.1',
            port: cluster.metricsPort,
            certFile: pki('controllers-metrics.crt'),
            keyFile: pki('controllers-metrics.key'),
            clientCaFile: pki('ca.crt'),
          },
        }),
      }),
      ...cluster.nodes.map((node) =>
        planned(`node-${node}`, 'node-agent.ts', {
          cluster: cluster.name,
          nodeName: node,
          directory: at.node(node),
          sharedDirectory: at.shared,
          imagesDirectory: layout.images,
          cacheDirectory: layout.cache,
          api: { server, caFile: pki('ca.crt'), certFile: pki(`node-${node}.crt`), keyFile: pki(`node-${node}.key`) },
          endpoint: {
            address: '127.0.0.1',
            port: 0,
            certFile: pki(`node-${node}.crt`),
            keyFile: pki(`node-${node}.key`),
            clientCaFile: pki('ca.crt'),
          },
          runDirectory: join(layout.sockets, cluster.name, node),
        }),
      ),
    ];
  });
}
