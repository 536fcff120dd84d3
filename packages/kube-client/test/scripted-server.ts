import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly reply: ServerResponse;
  readonly json: (code: number, body: object, headers?: Record<string, string>) => void;
  /** Starts a watch reply; lines are sent with `event`. */
  readonly stream: () => void;
  readonly event: (type: string, object: object) => void;
}

export interface ScriptedServer {
  readonly url: string;
  /** Connections that are open now. */
  connections(): number;
  /** Answers from now on. */
  handle(handler: (exchange: Exchange) => void): void;
  /** As `kill -9` looks from outside: every connection is reset, the port is closed. */
  kill(): Promise<void>;
  /** Listens on the same port again. */
  revive(): Promise<void>;
}

/** A real HTTP server whose every answer the test writes itself. */
export async function scriptedServer(): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  let handler: (exchange: Exchange) => void = ({ json }) => json(500, {});
  let server: http.Server;
  let port = 0;

  async function listen(): Promise<void> {
    server = http.createServer((request, reply) => {
      const json = (code: number, body: object, headers: Record<string, string> = {}): void => {
        reply.writeHead(code, { 'content-type': 'application/json', ...headers });
        reply.end(JSON.stringify(body));
      };
      request.resume();
      handler({
        method: request.method ?? '',
        url: new URL(request.url ?? '/', 'http://server'),
        headers: request.headers,
        reply,
        json,
        stream() {
          reply.writeHead(200, { 'content-type': 'application/json' });
          reply.flushHeaders();
        },
        event: (type, object) => void reply.write(`${JSON.stringify({ type, object })}\n`),
      });
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  }
  await listen();
  return {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    connections: () => sockets.size,
    handle(next) {
      handler = next;
    },
    async kill() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
    revive: listen,
  };
}
