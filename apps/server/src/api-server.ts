import { readFileSync } from 'node:fs';
import { customResourceDefinitions } from '@godwit/api';
import { createApiServer } from '@godwit/api-server';
import { systemClock } from '@godwit/core/clock';
import { openSqliteStore } from '@godwit/store';
import {
  kubeVirtAdmission,
  kubeVirtSubresources,
  publishUploadProxy,
  uploadProxy,
  uploadTokenRequests,
  UploadTokens,
} from '@godwit/virt-api';
import { yieldToGuests } from './priority.ts';
import { processLog, readConfig, runUntilSignalled } from './process.ts';

interface ApiServerConfig {
  readonly cluster: string;
  /** SQLite file; made when missing. */
  readonly database: string;
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string };
  /** With which the server calls node agents, and the CA of their certificates. */
  readonly agentClient: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  readonly serviceAccountKeyFile: string;
}

const read = (file: string): string => readFileSync(file, 'utf8');

const config = readConfig<ApiServerConfig>();
yieldToGuests({ startsGuests: false });
const log = processLog({ component: 'api-server', cluster: config.cluster });
const store = openSqliteStore(config.database, { clock: systemClock });
const clusterCaPem = read(config.tls.clientCaFile);
const serviceAccountKeyPem = read(config.serviceAccountKeyFile);
const credentials = {
  certPem: read(config.agentClient.certFile),
  keyPem: read(config.agentClient.keyFile),
  caPem: read(config.agentClient.caFile),
};
const tokens = new UploadTokens(serviceAccountKeyPem, systemClock);
const server = await createApiServer({
  store,
  host: config.host,
  port: config.port,
  tls: {
    certPem: read(config.tls.certFile),
    keyPem: read(config.tls.keyFile),
    clientCaPem: clusterCaPem,
  },
  serviceAccountKeyPem,
  clusterCaPem,
  plugins: kubeVirtAdmission,
  subresourceGroups: [kubeVirtSubresources(credentials), uploadTokenRequests(tokens)],
  plainEndpoints: [uploadProxy({ tokens, credentials })],
  bootstrap: customResourceDefinitions(),
  clock: systemClock,
  log,
});
await publishUploadProxy(server, clusterCaPem);
log.info({ url: server.url }, 'serving');
runUntilSignalled(log, async () => {
  await server.close();
  await store.close();
});
