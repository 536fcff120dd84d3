import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { GodwitError } from '@godwit/core/errors';
import { createQmpSession, type QmpClient } from './client.ts';

export interface ConnectOptions {
  /** Path of QEMU's monitor socket; it need not exist yet. */
  readonly path: string;
  /** Until QEMU has greeted; default 10 s. A monitor serves one client at a time and keeps a second one waiting. */
  readonly timeoutMs?: number;
  /** For each command; default 60 s. */
  readonly commandTimeoutMs?: number;
  /** Gives up early, for example because the process has died. */
  readonly signal?: AbortSignal;
}

const RETRY_MS = 10;

/**
 * Connects to a QMP monitor and leaves negotiation mode, waiting for the socket to appear.
 * Rejects with `QMP_CONNECT_TIMEOUT`, or with the signal's reason.
 */
export async function connectQmp(options: ConnectOptions): Promise<QmpClient> {
  const { path, timeoutMs = 10_000, commandTimeoutMs = 60_000, signal } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  const giveUp = signal ? AbortSignal.any([timeout, signal]) : timeout;
  let last: unknown;
  while (!giveUp.aborted) {
    try {
      return await attempt(path, commandTimeoutMs, giveUp);
    } catch (error) {
      last = error;
    }
    await pause(RETRY_MS);
  }
  signal?.throwIfAborted();
  throw new GodwitError('QMP_CONNECT_TIMEOUT', `No QMP greeting from ${path} within ${timeoutMs} ms`, {
    details: { path },
    retry: 'backoff',
    cause: last,
  });
}

async function attempt(path: string, commandTimeoutMs: number, giveUp: AbortSignal): Promise<QmpClient> {
  const socket = connect(path);
  const stop = (): void => {
    socket.destroy();
  };
  giveUp.addEventListener('abort', stop, { once: true });
  try {
    await connected(socket);
    const { client, negotiate } = createQmpSession(socket, { path, commandTimeoutMs });
    await negotiate();
    return client;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    giveUp.removeEventListener('abort', stop);
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before it connected')));
  });
}
