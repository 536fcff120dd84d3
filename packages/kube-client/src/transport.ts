import type http from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import https from 'node:https';
import { KubeUnreachableError } from './errors.ts';
import type { KubeEndpoint } from './types.ts';

export interface TransportRequest {
  readonly method: string;
  /** Path and query below the server's root. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Streams get a connection of their own and no idle limit. */
  readonly stream?: boolean;
}

/** Opens one HTTP exchange and resolves with the reply's head. Rejects with `KUBE_UNREACHABLE`. */
export interface Transport {
  open(request: TransportRequest): Promise<IncomingMessage>;
  close(): void;
}

/**
 * Plain HTTP, for the few servers without TLS. Not imported: an ES import of `node:http` reads all its exports, and the
 * one named WebSocket brings Node's own fetch along, 12 MB in every process.
 */
const plainHttp = (): typeof http => process.getBuiltinModule('node:http');

const IDLE_LIMIT_MS = 60_000;
const KEEP_ALIVE_MS = 30_000;
/** Parallel connections for ordinary requests; further requests queue. */
const MAX_SOCKETS = 12;

/** What one connection needs beside the address; agents decide about reuse. */
export interface Dialing {
  readonly agent: http.Agent;
  readonly headers: Readonly<Record<string, string>>;
  /** `user:password` for basic authentication. */
  readonly auth?: string;
}

/** Where connections come from: fixed credentials, or ones that are renewed between requests. */
export interface Dialer {
  dial(stream: boolean): Dialing | Promise<Dialing>;
  close(): void;
}

/** Two keep-alive agents with the same credentials: one for requests, one for streams. */
export function createDialer(server: string, tls: https.AgentOptions, headers: Record<string, string>): Dialer {
  const secure = server.startsWith('https:');
  const makeAgent = (extra: https.AgentOptions): http.Agent =>
    secure
      ? new https.Agent({ ...tls, ...extra, keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS })
      : new (plainHttp().Agent)({ ...extra, keepAlive: true });
  const requests = makeAgent({ maxSockets: MAX_SOCKETS, maxFreeSockets: 4 });
  const streams = makeAgent({ maxFreeSockets: 1 });
  return {
    dial: (stream) => ({ agent: stream ? streams : requests, headers }),
    close() {
      requests.destroy();
      streams.destroy();
    },
  };
}

/** Keep-alive transport to one server with fixed credentials. */
export function createTransport(endpoint: KubeEndpoint): Transport {
  const tls: https.AgentOptions = {
    ca: endpoint.caPem,
    ...(endpoint.certPem === undefined ? {} : { cert: endpoint.certPem }),
    ...(endpoint.keyPem === undefined ? {} : { key: endpoint.keyPem }),
  };
  const headers: Record<string, string> =
    endpoint.token === undefined ? {} : { authorization: `Bearer ${endpoint.token}` };
  return createTransportOver(endpoint.server, createDialer(endpoint.server, tls, headers));
}

export function createTransportOver(server: string, dialer: Dialer): Transport {
  const root = new URL(server);
  const secure = root.protocol === 'https:';
  const prefix = root.pathname.replace(/\/$/, '');
  const init = (request: TransportRequest, dialing: Dialing): RequestOptions => ({
    method: request.method,
    hostname: root.hostname.replace(/^\[|\]$/g, ''),
    port: root.port === '' ? (secure ? 443 : 80) : root.port,
    path: prefix + request.path,
    headers: { ...dialing.headers, ...request.headers },
    agent: dialing.agent,
    ...(dialing.auth === undefined ? {} : { auth: dialing.auth }),
    ...(request.signal ? { signal: request.signal } : {}),
  });

  return {
    async open(request) {
      try {
        return await exchange(secure, init(request, await dialer.dial(request.stream === true)), request);
      } catch (error) {
        // A keep-alive connection may have died while idle; reading again is safe, writing again is not ours to decide.
        if (request.method !== 'GET' || !(error instanceof StaleSocketError)) throw unreachable(request, error);
      }
      try {
        return await exchange(secure, init(request, await dialer.dial(true)), request);
      } catch (error) {
        throw unreachable(request, error);
      }
    },
    close: () => dialer.close(),
  };
}

class StaleSocketError extends Error {}

function unreachable(request: TransportRequest, error: unknown): unknown {
  if (request.signal?.aborted === true) return request.signal.reason;
  const cause = error instanceof StaleSocketError ? error.cause : error;
  return new KubeUnreachableError(
    `${request.method} ${request.path} got no answer`,
    { method: request.method, path: request.path },
    cause,
  );
}

function exchange(secure: boolean, init: RequestOptions, request: TransportRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = secure ? https.request(init) : plainHttp().request(init);
    outgoing.on('response', resolve);
    outgoing.on('error', (error) => {
      reject(outgoing.reusedSocket ? new StaleSocketError('connection was closed', { cause: error }) : error);
    });
    // Until the reply's head is there every exchange has a limit; a stream's body then has none.
    outgoing.setTimeout(IDLE_LIMIT_MS, () => outgoing.destroy(new Error(`no answer within ${IDLE_LIMIT_MS} ms`)));
    if (request.stream === true) {
      outgoing.on('response', (reply) => {
        reply.socket.setTimeout(0);
        reply.socket.setKeepAlive(true, KEEP_ALIVE_MS);
      });
    }
    outgoing.end(request.body);
  });
}

/** Whole body as text. Rejects with `KUBE_UNREACHABLE` when the connection breaks half-way. */
export async function readText(reply: IncomingMessage, method: string, path: string): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of reply) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    throw new KubeUnreachableError(`The answer to ${method} ${path} broke off`, { method, path }, error);
  }
}
