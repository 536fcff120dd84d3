import { createServer, createConnection } from 'node:net';
import type { Server } from 'node:net';
import { rm } from 'node:fs/promises';
import { GodwitError } from '@godwit/core/errors';
import type { KeptProcess } from './keeper.ts';

export type ControlRequest = { readonly do: 'status' } | { readonly do: 'reload' } | { readonly do: 'stop' };
export interface ControlReply {
  readonly pid: number;
  readonly processes: readonly KeptProcess[];
  readonly error?: string;
}

/** One request per connection, one JSON line each way. The socket lies in a 0700 directory: only its owner gets here. */
export async function serveControl(
  path: string,
  handle: (request: ControlRequest) => Promise<ControlReply>,
): Promise<Server> {
  await rm(path, { force: true });
  const server = createServer((socket) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (!text.includes('\n')) return;
      socket.removeAllListeners('data');
      handle(JSON.parse(text) as ControlRequest).then(
        (reply) => socket.end(`${JSON.stringify(reply)}\n`),
        (error: unknown) =>
          socket.end(`${JSON.stringify({ pid: process.pid, processes: [], error: String(error) })}\n`),
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

/** The supervisor's answer, or undefined when none runs there. Rejects with `SUPERVISOR_FAILED` when it refuses. */
export async function askSupervisor(path: string, request: ControlRequest): Promise<ControlReply | undefined> {
  const text = await new Promise<string | undefined>((resolve) => {
    const socket = createConnection(path);
    let received = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => (received += chunk));
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(received === '' ? undefined : received));
  });
  if (text === undefined) return undefined;
  const reply = JSON.parse(text) as ControlReply;
  if (reply.error !== undefined) throw new GodwitError('SUPERVISOR_FAILED', `The supervisor failed: ${reply.error}`);
  return reply;
}
