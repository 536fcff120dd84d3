import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { ObjectReader } from '@godwit/api-server';
import type { Node } from '@godwit/api';
import { resources } from '@godwit/api';
import { unavailable } from './refuse.ts';

/** Client certificate with which the API server speaks to node agents, and the CA that signed theirs. PEM texts. */
export interface AgentCredentials {
  readonly certPem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

interface AgentAddress {
  readonly host: string;
  readonly port: number;
}

/** Not known to be away either: what it was sent may be carried out. */
function silent(node: string, method: string, seconds: number): Error {
  const doubt = method === 'GET' ? '' : ': whether it has done what was asked is not known';
  return unavailable(`the agent of node "${node}" has not answered within ${seconds} s${doubt}`);
}

export function unreachable(node: string, why: string): Error {
  return unavailable(`the agent of node "${node}" cannot be reached: ${why}`);
}

/** Where the agent of a node listens, from its Node object. */
export function agentAddress(reader: ObjectReader, nodeName: string): AgentAddress {
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const node = reader.get(resources.nodes, nodeName) as Node | undefined;
  const host = node?.status?.addresses?.find((address) => address.type === 'InternalIP')?.address;
  const port = node?.status?.daemonEndpoints?.kubeletEndpoint?.Port;
  if (host === undefined || port === undefined) throw unreachable(nodeName, 'the Node object has no address or port');
  return { host, port };
}

export function tlsOptions(address: AgentAddress, credentials: AgentCredentials): object {
  return {
    host: address.host,
    port: address.port,
    ca: credentials.caPem,
    cert: credentials.certPem,
    key: credentials.keyPem,
    // Agents are addressed by IP; their certificates are checked against the cluster's CA.
    checkServerIdentity: () => undefined,
    timeout: 30_000,
  };
}

/** Sends one request to an agent and returns status code and body. Rejects with a 503 ApiError when it cannot be reached. */
export async function callAgent(
  reader: ObjectReader,
  nodeName: string,
  credentials: AgentCredentials,
  method: string,
  path: string,
  patienceMs = 30_000,
): Promise<{ code: number; body: Buffer; contentType: string }> {
  const address = agentAddress(reader, nodeName);
  return await new Promise((resolve, reject) => {
    const options = { ...tlsOptions(address, credentials), method, path, timeout: patienceMs };
    const request = httpsRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({
          code: response.statusCode ?? 502,
          body: Buffer.concat(chunks),
          contentType: response.headers['content-type'] ?? 'application/json',
        });
      });
      response.on('error', (error) => reject(unreachable(nodeName, error.message)));
    });
    request.on('timeout', () => {
      reject(silent(nodeName, method, patienceMs / 1000));
      request.destroy();
    });
    request.on('error', (error) => reject(unreachable(nodeName, error.message)));
    request.end();
  });
}

/**
 * Hands a WebSocket upgrade through to an agent: the handshake is replayed there, then the two sockets are joined and
 * frames pass untouched. Both ends are closed when either closes.
 */
export async function tunnelUpgrade(
  reader: ObjectReader,
  nodeName: string,
  credentials: AgentCredentials,
  path: string,
  raw: IncomingMessage,
  client: Duplex,
  head: Buffer,
): Promise<void> {
  const address = agentAddress(reader, nodeName);
  const agent = await new Promise<TLSSocket>((resolve, reject) => {
    const socket = connect({ ...tlsOptions(address, credentials), ALPNProtocols: ['http/1.1'] }, () => resolve(socket));
    socket.on('error', (error) => reject(unreachable(nodeName, error.message)));
  });
  agent.setTimeout(0);
  agent.setNoDelay(true);
  const headers = Object.entries(raw.headers).filter(
    ([name]) => name.startsWith('sec-websocket-') || name === 'upgrade' || name === 'connection' || name === 'origin',
  );
  const lines = headers.map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') : (value ?? '')}`);
  agent.write(`GET ${path} HTTP/1.1\r\nHost: ${address.host}:${address.port}\r\n${lines.join('\r\n')}\r\n\r\n`);
  if (head.length > 0) agent.write(head);
  for (const [from, to] of [
    [agent, client],
    [client, agent],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}
