import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '@godwit/api';
import type { ObjectReader } from '@godwit/api-server';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { callAgent } from '../src/agent-connection.ts';

let pki: string;
beforeEach(() => {
  pki = mkdtempSync(join(tmpdir(), 'virt-api-'));
});
afterEach(() => rmSync(pki, { recursive: true }));

it.each([
  ['PUT', 'whether it has done what was asked is not known'],
  ['GET', 'has not answered within'],
])('an agent that takes a %s and does not answer is not said to be out of reach', async (method, said) => {
  const [keyFile, certFile] = [join(pki, 'key'), join(pki, 'cert')];
  const subject = ['-days', '2', '-subj', '/CN=agent', '-keyout', keyFile, '-out', certFile];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' });
  const [key, cert] = [readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8')];
  const server = createServer({ key, cert }, () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const node: KubeObject = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  };
  // The cast is safe: only nodes are asked for.
  const reader = { get: () => node } as unknown as ObjectReader;
  const call = callAgent(reader, 'n1', { certPem: cert, keyPem: key, caPem: cert }, method, '/v1', 500);
  const told = await call.catch((error: unknown) => error);
  expect(told).toMatchObject({ httpCode: 503, message: expect.stringContaining(said) });
  expect(told).not.toMatchObject({ message: expect.stringContaining('cannot be reached') });
  server.closeAllConnections();
  server.close();
});
