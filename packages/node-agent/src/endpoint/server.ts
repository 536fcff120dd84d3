import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { WebSocketServer } from 'ws';
import type { ObjectKey } from '@godwit/api';
import { describeError, GodwitError, isGodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { isTrustedClient } from '@godwit/core/trusted-client';
import type { Machines } from '../launcher/machines.ts';
import type { Upload } from '../population/upload.ts';
import { bridgeConsole } from './console.ts';
import type { AgentMetrics } from './metrics.ts';
import { handoverSide, parseDecision, resolveHandover } from './resolve.ts';
import type { ResolveIo } from './resolve.ts';
import { routeOf } from './routes.ts';
import { commandable, runVerb } from './verbs.ts';

export interface EndpointOptions {
  readonly address: string;
  readonly port: number;
  readonly certPem: string;
  readonly keyPem: string;
  readonly clientCaPem: string;
}

export interface EndpointIo {
  readonly machines: Machines;
  readonly moves: ResolveIo['moves'];
  readonly metrics: AgentMetrics;
  readonly upload: (key: ObjectKey, upload: Upload) => Promise<void>;
}

export interface Endpoint {
  /** Starts to listen; resolves with the port. */
  start(): Promise<number>;
  close(): Promise<void>;
}

const SUB_PROTOCOL = 'plain.kubevirt.io';

function statusOf(error: unknown): number {
  if (!isGodwitError(error)) return 500;
  switch (error.code) {
    case 'DECISION_INVALID':
      return 400;
    case 'GUEST_NOT_HERE':
    case 'HANDOVER_ABSENT':
    case 'ROUTE_UNKNOWN':
      return 404;
    case 'GUEST_REFUSED':
    case 'HANDOVER_REFUSED':
    case 'MIGRATION_NOT_UNDECIDED':
    case 'UPLOAD_REFUSED':
      return 409;
    case 'IMAGE_TOO_LARGE':
      return 413;
    case 'IMAGE_REFUSED':
      return 422;
    case 'UPLOAD_INCOMPLETE':
      return 400;
    case 'UPLOAD_BUSY':
      return 503;
    default:
      return 500;
  }
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  404: 'NotFound',
  409: 'Conflict',
  413: 'RequestEntityTooLarge',
  422: 'Invalid',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

function statusBody(code: number, message: string): string {
  const reason = REASONS[code] ?? 'InternalError';
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code });
}

function lengthOf(request: IncomingMessage): number | undefined {
  const text = request.headers['content-length'];
  return text === undefined ? undefined : Number(text);
}

/** Aborted when nobody waits for the answer any more. */
function whileAsked(response: ServerResponse): AbortSignal {
  const asker = new AbortController();
  response.once('close', () => asker.abort(new GodwitError('GUEST_REFUSED', 'the request was given up')));
  return asker.signal;
}

/** The agent's HTTPS endpoint; every request needs a trusted client certificate. */
export function createEndpoint(options: EndpointOptions, { io, log }: { io: EndpointIo; log: Logger }): Endpoint {
  const server = createServer({
    cert: options.certPem,
    key: options.keyPem,
    ca: options.clientCaPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  });
  /** Loaded with the first console: most agents never have one. */
  let sockets: Promise<WebSocketServer> | undefined;
  async function openSockets(): Promise<WebSocketServer> {
    const ws = await import('ws');
    return new ws.WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => (offered.has(SUB_PROTOCOL) ? SUB_PROTOCOL : false),
    });
  }

  function requireTrusted(request: IncomingMessage): void {
    // The cast is safe: this server speaks TLS only.
    if (!isTrustedClient((request.socket as TLSSocket).getPeerCertificate()))
      throw new GodwitError('CLIENT_UNTRUSTED', 'this client certificate may not use the node agent');
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const route = routeOf(request.method ?? 'GET', path);
    switch (route.to) {
      case 'healthz':
        return void response.end('ok');
      case 'metrics': {
        const { contentType, text } = await io.metrics.render();
        response.setHeader('content-type', contentType);
        return void response.end(text);
      }
      case 'verb':
        await runVerb(io.machines, route.verb, route.namespace, route.name, { asker: whileAsked(response) });
        return void response.end();
      case 'handover': {
        const { namespace, name } = route;
        const side = route.decide
          ? await resolveHandover(io, namespace, name, parseDecision(new URLSearchParams(query).get('decision')))
          : await handoverSide(io, namespace, name);
        response.setHeader('content-type', 'application/json');
        return void response.end(JSON.stringify(side));
      }
      case 'upload':
        await io.upload(
          { namespace: route.namespace, name: route.name },
          { body: request, background: route.background, lengthBytes: lengthOf(request) },
        );
        return void response.end();
      case 'console':
      case 'nowhere':
        throw new GodwitError('ROUTE_UNKNOWN', `there is nothing at ${path}`);
    }
  }

  function codeOf(error: unknown): number {
    return isGodwitError(error, 'CLIENT_UNTRUSTED') ? 401 : statusOf(error);
  }

  server.on('request', (request, response) => {
    (async () => {
      requireTrusted(request);
      await answer(request, response);
    })().catch((error: unknown) => {
      const code = codeOf(error);
      log.info({ path: request.url, code, err: describeError(error) }, 'refusing request');
      if (response.headersSent) return response.destroy();
      response.writeHead(code, { 'content-type': 'application/json' });
      response.end(statusBody(code, describeError(error)));
    });
  });

  function refuseUpgrade(socket: Duplex, error: unknown): void {
    const code = codeOf(error);
    const body = statusBody(code, describeError(error));
    socket.end(
      `HTTP/1.1 ${code} ${REASONS[code] ?? 'Error'}\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    requireTrusted(request);
    const path = (request.url ?? '').split('?')[0] ?? '';
    const route = routeOf('GET', path);
    if (route.to !== 'console') throw new GodwitError('ROUTE_UNKNOWN', `there is no stream at ${path}`);
    const held = commandable(io.machines, route.namespace, route.name);
    const server = await (sockets ??= openSockets());
    server.handleUpgrade(request, socket, head, (client) => bridgeConsole(client, held.console));
  }

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    upgrade(request, socket, head).catch((error: unknown) => refuseUpgrade(socket, error));
  });

  return {
    async start() {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(options.port, options.address, () => {
          server.off('error', reject);
          resolve();
        });
      });
      // Uploads of whole disks take longer than Node's default patience.
      server.requestTimeout = 0;
      return (server.address() as AddressInfo).port;
    },
    async close() {
      for (const client of (await sockets)?.clients ?? []) client.close(1001, 'the node agent restarts');
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
