import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { customResourceDefinitions, resources } from '@godwit/api';
import { createApiServer } from '@godwit/api-server';
import type { ApiServer } from '@godwit/api-server';
import { isGodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import { openSqliteStore } from '@godwit/store';
import type { ObjectStore } from '@godwit/store';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { createKubeClient } from '../../src/client.ts';
import type { KubeClient } from '../../src/types.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
}

async function createCa() {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const ca = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=test-ca',
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    },
    webcrypto,
  );
  async function issue(subject: string, usage: ExtendedKeyUsage) {
    const leaf = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await X509CertificateGenerator.create(
      {
        subject,
        issuer: ca.subject,
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new ExtendedKeyUsageExtension([usage]),
          new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
        ],
      },
      webcrypto,
    );
    return { certPem: certificate.toString('pem'), keyPem: await pem(leaf.privateKey) };
  }
  return { certPem: ca.toString('pem'), issue };
}

/** The embedded API server on SQLite and TLS, in a directory of its own. */
export interface RealServer {
  /** A client with the given certificate subject; default: an administrator. */
  client(subject?: string): Promise<KubeClient>;
  /** Ends the server and starts it again on the same port and database. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends everything and removes the directory. */
  dispose(): Promise<void>;
}

export async function startRealServer(): Promise<RealServer> {
  const directory = await mkdtemp(join(tmpdir(), 'kube-client-test-'));
  const ca = await createCa();
  const certificate = await ca.issue('CN=kube-apiserver', ExtendedKeyUsage.serverAuth);
  const accountKeys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const serviceAccountKeyPem = await pem(accountKeys.privateKey);
  const clients: KubeClient[] = [];
  let store: ObjectStore;
  let server: ApiServer | undefined;
  let port = 0;

  async function start(): Promise<void> {
    store = openSqliteStore(join(directory, 'api.sqlite'));
    server = await createApiServer({
      store,
      host: '127.0.0.1',
      port,
      tls: { ...certificate, clientCaPem: ca.certPem },
      serviceAccountKeyPem,
      clusterCaPem: ca.certPem,
      bootstrap: customResourceDefinitions(),
    });
    port = server.port;
  }
  async function stop(): Promise<void> {
    await server?.close();
    if (server) await store.close();
    server = undefined;
  }
  async function client(subject = 'CN=kubernetes-admin, O=system:masters'): Promise<KubeClient> {
    const { certPem, keyPem } = await ca.issue(subject, ExtendedKeyUsage.clientAuth);
    const made = createKubeClient({ server: `https://127.0.0.1:${port}`, caPem: ca.certPem, certPem, keyPem });
    clients.push(made);
    return made;
  }

  await start();
  const admin = await client();
  await waitFor(
    async () => {
      try {
        return (await admin.get(resources.namespaces, 'default')) !== undefined;
      } catch (error) {
        if (isGodwitError(error)) return false;
        throw error;
      }
    },
    { timeoutMs: 10_000, what: 'the API server' },
  );
  return {
    client,
    start,
    stop,
    async restart() {
      await stop();
      await start();
    },
    async dispose() {
      for (const one of clients) one.close();
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
