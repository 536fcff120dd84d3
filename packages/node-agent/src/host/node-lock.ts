import { mkdir, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { pause, type Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';

export interface NodeLock {
  /** Resolves when another agent can have it. */
  release(): Promise<void>;
}

const LOOK_AGAIN_MS = 100;

/**
 * A unix socket in the abstract namespace: it belongs to the process and ends with it, however that ends, so that there
 * is nothing stale to clean up. Named by the directory's identity, not by a path to it.
 */
async function addressOf(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { dev, ino } = await stat(directory);
  return `\0godwit/node/${process.getuid?.() ?? 0}/${dev}-${ino}`;
}

/** Resolves with `undefined` when somebody else has the address. */
function listen(address: string, connections: Set<Socket>): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((waiter) => {
      connections.add(waiter);
      // A waiter may go at any time; that is its own affair.
      waiter.on('error', () => undefined).on('close', () => connections.delete(waiter));
      waiter.unref().resume();
    });
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen({ path: address }, () => resolve(server.unref()));
  });
}

/** Resolves when the holder's end of a connection is gone; `false` when there was none to be had. */
function holderGone(address: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    let connected = false;
    const socket = connect({ path: address }, () => (connected = true));
    const abort = (): void => void socket.destroy();
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', () => undefined).resume();
    socket.once('close', () => {
      signal.removeEventListener('abort', abort);
      resolve(connected);
    });
    if (signal.aborted) abort();
  });
}

/**
 * Takes what only one agent of a node directory may have, and waits for it as long as it takes. Resolves with
 * `undefined` when the signal ends the wait.
 */
export async function lockNode(
  directory: string,
  { signal, clock, log }: { readonly signal: AbortSignal; readonly clock: Clock; readonly log: Logger },
): Promise<NodeLock | undefined> {
  const address = await addressOf(directory);
  const connections = new Set<Socket>();
  let told = false;
  while (!signal.aborted) {
    const server = await listen(address, connections);
    if (server)
      return {
        release: () =>
          new Promise((resolve) => {
            server.close(() => resolve());
            for (const waiter of connections) waiter.destroy();
          }),
      };
    if (!told) log.warn({ directory }, 'another agent works in this node directory, waiting until it ends');
    told = true;
    if (!(await holderGone(address, signal))) await pause(LOOK_AGAIN_MS, clock);
  }
  return undefined;
}
