import { connect } from 'node:http2';
import { request } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { customResourceDefinitions, names, resources } from '@godwit/api';
import type { CdiConfig, DataVolume, PersistentVolume, PersistentVolumeClaim, UploadTokenRequest } from '@godwit/api';
import { createApiServer } from '@godwit/api-server';
import { startControllers } from '@godwit/controllers';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { createQemuHypervisor } from '@godwit/hypervisor';
import { createKubeClient } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import { createNodeAgent, parseAgentConfig } from '@godwit/node-agent';
import { openSqliteStore } from '@godwit/store';
import { createTestCa, newKeyPem } from '../../api-server/test/support/pki.ts';
import { kubeVirtAdmission, publishUploadProxy, uploadProxy, uploadTokenRequests, UploadTokens } from '../src/index.ts';

export interface Answer {
  readonly code: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Sending {
  readonly method?: string;
  readonly token?: string;
  readonly body?: Buffer | Readable;
  readonly headers?: Record<string, string | number>;
}

/** A whole cluster in one process: API server, controllers and one node agent, each the real one, over TLS. */
export interface UploadRig extends AsyncDisposable {
  readonly root: string;
  readonly client: KubeClient;
  clientAs(subject: string): Promise<KubeClient>;
  /** To the upload proxy, over HTTP/1.1. */
  send(path: string, sending: Sending): Promise<Answer>;
  /** The same over HTTP/2, as Go's default client speaks. */
  send2(path: string, sending: Sending): Promise<number>;
  proxyUrl(): Promise<string>;
  token(pvcName: string, client?: KubeClient): Promise<string>;
  claim(name: string): Promise<PersistentVolumeClaim | undefined>;
  /** Waits until the claim's node takes an upload. */
  ready(name: string): Promise<void>;
  phase(name: string, wanted: string): Promise<void>;
  /** The raw image that a guest would have. */
  imageOf(name: string): Promise<string>;
}

const patience = { timeoutMs: 30_000, intervalMs: 50 };

export async function startUploadRig(patienceMs: number): Promise<UploadRig> {
  const root = mkdtempSync(join(tmpdir(), 'gwu-'));
  const owned = new AsyncDisposableStack();
  owned.defer(() => rmSync(root, { recursive: true, force: true }));
  const ca = await createTestCa();
  const secret = await newKeyPem();
  const store = openSqliteStore(join(root, 'api.sqlite'));
  owned.defer(() => store.close());
  const credentials = { ...(await ca.issue('CN=system:kube-apiserver')), caPem: ca.certPem };
  const tokens = new UploadTokens(secret, systemClock);
  const server = owned.use(
    await createApiServer({
      store,
      host: '127.0.0.1',
      port: 0,
      tls: { ...(await ca.issue('CN=kube-apiserver', true)), clientCaPem: ca.certPem },
      serviceAccountKeyPem: secret,
      clusterCaPem: ca.certPem,
      plugins: kubeVirtAdmission,
      subresourceGroups: [uploadTokenRequests(tokens)],
      plainEndpoints: [uploadProxy({ tokens, credentials, patienceMs })],
      bootstrap: customResourceDefinitions(),
    }),
  );
  await publishUploadProxy(server, ca.certPem);

  async function clientAs(subject: string): Promise<KubeClient> {
    const made = createKubeClient({ server: server.url, caPem: ca.certPem, ...(await ca.issue(subject)) });
    owned.defer(() => made.close());
    return made;
  }
  const client = await clientAs('CN=kubernetes-admin, O=system:masters');
  const controllers = await startControllers({
    client: await clientAs('CN=system:kubevirt:controller, O=system:masters'),
    clusterName: 'test',
    kubevirtCa: await ca.issue('CN=kubevirt'),
    log: silentLogger,
  });
  owned.defer(() => controllers.stop());

  const agentTls = await ca.issue('CN=system:node:n1, O=system:nodes', true);
  for (const name of ['shared', 'images']) mkdirSync(join(root, name));
  for (const [name, pem] of Object.entries(agentTls)) writeFileSync(join(root, name), pem);
  const files = { certFile: join(root, 'certPem'), keyFile: join(root, 'keyPem') };
  const config = parseAgentConfig({
    cluster: 'test',
    nodeName: 'n1',
    directory: join(root, 'n1'),
    sharedDirectory: join(root, 'shared'),
    imagesDirectory: join(root, 'images'),
    api: { server: server.url, caFile: files.certFile, ...files },
    endpoint: { ...files, clientCaFile: files.certFile },
    acceleration: 'tcg',
    runDirectory: join(root, 'r'),
  });
  const agent = await createNodeAgent(config, {
    client: await clientAs('CN=system:node:n1, O=system:nodes'),
    hypervisor: await createQemuHypervisor({ log: silentLogger, clock: systemClock }),
    log: silentLogger,
    clock: systemClock,
    endpointTls: { ...agentTls, clientCaPem: ca.certPem },
    searchPath: process.env['PATH'] ?? '',
  });
  await agent.start();
  owned.defer(() => agent.stop());

  const claim = (name: string) => client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, 'default');
  const dataVolume = (name: string) => client.get<DataVolume>(resources.dataVolumes, name, 'default');
  const headersOf = ({ token, headers }: Sending) => ({
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...headers,
  });

  return {
    root,
    client,
    clientAs,
    claim,
    async send(path, sending) {
      const { method = 'POST', body } = sending;
      const length = Buffer.isBuffer(body) ? { 'content-length': body.length } : {};
      const headers = { ...length, ...headersOf(sending) };
      const call = request(new URL(path, server.url), { method, ca: ca.certPem, agent: false, headers });
      const answered = new Promise<Answer>((resolve, reject) => {
        call.once('error', reject);
        call.once('response', (reply) => {
          let text = '';
          reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          reply.once('end', () => resolve({ code: reply.statusCode ?? 0, text, headers: reply.headers }));
          reply.once('error', reject);
        });
      });
      if (body instanceof Readable) await pipeline(body, call).catch(() => undefined);
      else call.end(body);
      return answered;
    },
    async send2(path, sending) {
      const session = connect(server.url, { ca: ca.certPem });
      try {
        const stream = session.request({ ':path': path, ':method': sending.method ?? 'POST', ...headersOf(sending) });
        const answered = new Promise<number>((resolve, reject) => {
          stream.once('response', (headers) => resolve(Number(headers[':status'])));
          stream.once('error', reject);
        });
        stream.end(sending.body);
        return await answered;
      } finally {
        session.destroy();
      }
    },
    async proxyUrl() {
      return (await client.get<CdiConfig>(resources.cdiConfigs, 'config'))?.status?.uploadProxyURL ?? '';
    },
    async token(pvcName, as = client) {
      const path = '/apis/upload.cdi.kubevirt.io/v1beta1/namespaces/default/uploadtokenrequests';
      const body = { metadata: { generateName: 'token-for-virtctl-' }, spec: { pvcName } };
      return ((await as.request('POST', path, body)) as UploadTokenRequest).status?.token ?? '';
    },
    async ready(name) {
      const isReady = async (): Promise<boolean> =>
        (await claim(name))?.metadata.annotations?.[names.populationReadyAnnotation] === 'true';
      await waitFor(isReady, { ...patience, what: `claim ${name} to take an upload` });
    },
    async phase(name, wanted) {
      const isThere = async (): Promise<boolean> => (await dataVolume(name))?.status?.phase === wanted;
      await waitFor(isThere, { ...patience, what: `DataVolume ${name} to be ${wanted}` });
    },
    async imageOf(name) {
      const volumeName = (await claim(name))?.spec.volumeName ?? '';
      const volume = await client.get<PersistentVolume>(resources.persistentVolumes, volumeName);
      const pool = volume?.metadata.annotations?.[names.poolAnnotation] === 'shared' ? 'shared' : join('n1', 'volumes');
      const path = resolve(root, pool, volume?.spec.local?.path ?? '');
      return volume?.spec.volumeMode === 'Block' ? path : join(path, 'disk.img');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
