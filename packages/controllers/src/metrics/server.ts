import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { isTrustedClient } from '@godwit/core/trusted-client';

/** Where metrics are served, and to whom: clients of the cluster's CA that are its API server or an administrator. */
export interface MetricsListen {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** PEM texts. */
  readonly certPem: string;
  readonly keyPem: string;
  readonly clientCaPem: string;
}

export interface Page {
  readonly contentType: string;
  readonly text: string;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

function refuse(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

function answer(request: IncomingMessage, response: ServerResponse, page: () => Promise<Page>, log: Logger): void {
  // The cast is safe: this server speaks TLS only.
  if (!isTrustedClient((request.socket as TLSSocket).getPeerCertificate()))
    return refuse(response, 403, 'this client certificate may not read metrics');
  const path = (request.url ?? '').split('?')[0];
  if (path !== '/metrics') return refuse(response, 404, `there is nothing at ${path ?? ''}; metrics are at /metrics`);
  if (request.method !== 'GET') return refuse(response, 405, 'metrics can only be read');
  page()
    .then(({ contentType, text }) => {
      response.setHeader('content-type', contentType);
      response.end(text);
    })
    .catch((error: unknown) => {
      log.error({ err: describeError(error) }, 'metrics could not be made');
      refuse(response, 500, 'metrics could not be made');
    });
}

/** Serves `GET /metrics` over HTTPS. Rejects when it cannot listen. */
export async function startMetricsServer(
  listen: MetricsListen,
  page: () => Promise<Page>,
  log: Logger,
): Promise<MetricsServer> {
  const { createServer } = await import('node:https');
  const server: Server = createServer(
    {
      cert: listen.certPem,
      key: listen.keyPem,
      ca: listen.clientCaPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      // Who never ends the handshake must not keep the server from ending.
      handshakeTimeout: 10_000,
    },
    (request, response) => answer(request, response, page, log),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    // The cast is safe: it listens on TCP.
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
