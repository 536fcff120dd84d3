import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { GodwitError } from '@godwit/core/errors';
import type { Layout } from './layout.ts';

const LOOK_EVERY_MS = 50;
/** How long others may take to start or stop the clusters, or to change the catalogue, on a busy machine. */
const PATIENCE_MS = 60_000;

/**
 * Waits until this process is the only one that makes or ends the clusters of a directory. The lock is a name in the
 * kernel (an abstract socket), so it goes with its holder however that ends. Rejects with `LOCAL_BUSY` after a minute.
 */
export async function lockDirectory(layout: Layout): Promise<AsyncDisposable> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const server = createServer((socket) => socket.destroy());
    const isHeld = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
      );
      server.listen(`\0${layout.sockets}/lock`, () => resolve(true));
    });
    if (isHeld) {
      server.unref();
      return {
        [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
      };
    }
    if (Date.now() > deadline)
      throw new GodwitError('LOCAL_BUSY', `Another godwit is starting or stopping the clusters in ${layout.root}`);
    await pause(LOOK_EVERY_MS);
  }
}
