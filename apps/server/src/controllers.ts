import { readFileSync } from 'node:fs';
import { startControllers } from '@godwit/controllers';
import { createKubeClient } from '@godwit/kube-client';
import { yieldToGuests } from './priority.ts';
import { processLog, readConfig, runUntilSignalled } from './process.ts';

interface ControllersConfig {
  readonly clusterName: string;
  readonly endpoint: {
    readonly server: string;
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
  };
  /** CA that signs migration certificates and heads the cluster's trust bundle. */
  readonly kubevirtCa: { readonly certFile: string; readonly keyFile: string };
  /** Absent: no moves between clusters. */
  readonly syncListen?: { readonly host: string; readonly port: number };
  /** Absent: no metrics. */
  readonly metricsListen?: {
    readonly host: string;
    readonly port: number;
    readonly certFile: string;
    readonly keyFile: string;
    readonly clientCaFile: string;
  };
}

const read = (file: string): string => readFileSync(file, 'utf8');

const config = readConfig<ControllersConfig>();
yieldToGuests({ startsGuests: false });
const log = processLog({ component: 'controllers', cluster: config.clusterName });
const client = createKubeClient(
  {
    server: config.endpoint.server,
    caPem: read(config.endpoint.caFile),
    certPem: read(config.endpoint.certFile),
    keyPem: read(config.endpoint.keyFile),
  },
  { log, userAgent: 'godwit-controllers' },
);
const { metricsListen: metrics } = config;
const metricsListen = metrics && {
  host: metrics.host,
  port: metrics.port,
  certPem: read(metrics.certFile),
  keyPem: read(metrics.keyFile),
  clientCaPem: read(metrics.clientCaFile),
};
const stopping = new AbortController();
const starting = startControllers({
  client,
  clusterName: config.clusterName,
  kubevirtCa: { certPem: read(config.kubevirtCa.certFile), keyPem: read(config.kubevirtCa.keyFile) },
  ...(config.syncListen ? { syncListen: config.syncListen } : {}),
  ...(metricsListen ? { metricsListen } : {}),
  log,
  signal: stopping.signal,
});
runUntilSignalled(log, async () => {
  stopping.abort();
  const running = await starting;
  await running.stop();
  client.close();
});
await starting;
