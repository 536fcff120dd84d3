import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, Http2ServerRequest } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { ApiError, internalError } from '../api-error.ts';
import type { Credentials } from '../auth/authentication.ts';
import type { UserInfo } from '../plugins.ts';
import type { AnyRequest, AnyResponse, Exchange } from './exchange.ts';
import { sendError } from './reply.ts';
import { parseRequestInfo } from './request-info.ts';
import type { RequestInfo } from './request-info.ts';
import { Sink } from './sink.ts';

export interface TlsOptions {
  readonly certPem: string;
  readonly keyPem: string;
  /** Signs client certificates. */
  readonly clientCaPem: string;
}

export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsOptions;
  readonly log: Logger;
  /** Throws an ApiError for bad credentials. */
  readonly authenticate: (credentials: Credentials, connection: object, headers: IncomingHttpHeaders) => UserInfo;
  readonly handle: (exchange: Exchange, info: RequestInfo) => Promise<void>;
  /** Answers paths outside the Kubernetes API, whose clients are nobody here; undefined for all others. */
  readonly plain?: (path: string) => ((exchange: Exchange) => Promise<void>) | undefined;
  /** Must answer or take over the socket; an ApiError it throws is written as plain HTTP. */
  readonly upgrade: (upgrade: Upgrade) => Promise<void>;
}

export interface Upgrade {
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

export interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

/** Not imported: an ES import of `node:http` reads all its exports, and the one named WebSocket costs 12 MB. */
function statusText(code: number): string {
  return process.getBuiltinModule('node:http').STATUS_CODES[code] ?? 'Error';
}

/** Longer than clients keep idle connections, so that none is closed under a request on its way. */
const KEEP_ALIVE_MS = 120_000;

/** What a certificate's user is remembered by: an HTTP/2 session carries many requests, an HTTP/1.1 socket too. */
function connectionOf(request: AnyRequest): object {
  return isHttp2(request) ? (request.stream.session ?? request.stream) : request.socket;
}

function isHttp2(request: AnyRequest): request is Http2ServerRequest {
  return 'stream' in request;
}

function tlsSocketOf(request: AnyRequest): Credentials['socket'] {
  // The cast is safe: this server only listens with TLS.
  return request.socket as TLSSocket;
}

function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : internalError(describeError(error));
}

const UPLOAD_WINDOW_BYTES = 4 * 1024 * 1024;

/** Listens for HTTPS, HTTP/1.1 and HTTP/2 on one port. */
export async function serve(options: ServeOptions): Promise<Listening> {
  const { log } = options;
  const stopping = new AbortController();
  const sockets = new Set<Duplex>();
  const server: Http2SecureServer = createSecureServer({
    allowHTTP1: true,
    cert: options.tls.certPem,
    key: options.tls.keyPem,
    ca: options.tls.clientCaPem,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    // Browsers and informers open many watches over one connection.
    settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
  });
  // HTTP/1.1 connections get these from the server object; none of its limits may end a watch.
  Object.assign(server, { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: KEEP_ALIVE_MS + 5000, requestTimeout: 0 });
  server.setTimeout(0);
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    // This server does not do it by itself: without it every answer on a reused connection waits 40 ms for a delayed ACK.
    socket.setNoDelay(true);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  // Of the connection, where the settings above are of a stream: the 64 KiB it begins with would throttle uploads.
  server.on('session', (session) => session.setLocalWindowSize(UPLOAD_WINDOW_BYTES));
  server.on('tlsClientError', () => undefined);
  server.on('sessionError', (error) =>
    log.debug({ error: describeError(error) }, 'HTTP/2 session ended with an error'),
  );
  server.on('request', (request, response) => void answer(request, response));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => void upgrade(request, socket, head));

  async function answer(request: AnyRequest, response: AnyResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://server');
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const exchange: Exchange & { user: UserInfo } = {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      request,
      sink: new Sink(response),
      user: { username: '', groups: [] },
      warnings: [],
      signal: AbortSignal.any([gone.signal, stopping.signal]),
      header: (name) => {
        const value = request.headers[name];
        return Array.isArray(value) ? value.join(',') : value;
      },
    };
    const plain = options.plain?.(exchange.path);
    try {
      if (plain) return await plain(exchange);
      const credentials = { authorization: exchange.header('authorization'), socket: tlsSocketOf(request) };
      exchange.user = options.authenticate(credentials, connectionOf(request), request.headers);
      await options.handle(exchange, parseRequestInfo(exchange.method, url.pathname, url.searchParams));
    } catch (error) {
      if (exchange.sink.closed) return;
      if (!(error instanceof ApiError)) {
        log.error(
          { method: exchange.method, path: exchange.path, error: String(error), stack: (error as Error).stack },
          'Request failed unexpectedly',
        );
      }
      if (exchange.sink.headersSent) exchange.sink.abort();
      else await sendError(exchange, toApiError(error)).catch(() => exchange.sink.abort());
    } finally {
      // A body nobody read would keep an HTTP/1.1 connection busy for ever.
      if (!request.readableEnded) request.resume();
    }
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    const url = new URL(request.url ?? '/', 'https://server');
    try {
      const credentials = { authorization: request.headers.authorization, socket: tlsSocketOf(request) };
      const user = options.authenticate(credentials, request.socket, request.headers);
      const info = parseRequestInfo(request.method ?? 'GET', url.pathname, url.searchParams);
      await options.upgrade({ info, query: url.searchParams, user, request, socket, head });
    } catch (error) {
      if (!(error instanceof ApiError))
        log.error({ path: url.pathname, error: String(error) }, 'Upgrade failed unexpectedly');
      writePlainError(socket, toApiError(error));
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    // The cast is safe: a server listening on a TCP port has such an address.
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      stopping.abort();
      // Watches have ended by now; what is left are idle connections and clients that do not let go.
      await new Promise((resolve) => setImmediate(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** An error as an HTTP/1.1 answer, for a socket that has left Node's HTTP server. */
function writePlainError(socket: Duplex, error: ApiError): void {
  if (socket.destroyed) return;
  const body = `${JSON.stringify(error.toStatus())}\n`;
  const lines = [
    `HTTP/1.1 ${error.httpCode} ${statusText(error.httpCode)}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
