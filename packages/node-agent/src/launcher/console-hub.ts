import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';

/** One person at the serial console. */
export interface ConsoleClient {
  write(bytes: Uint8Array): void;
  /** Called when another client takes the console, or the machine is gone. */
  close(reason: string): void;
}

/**
 * The only reader of a machine's serial socket: QEMU accepts one connection, so the hub keeps it and hands the guest's
 * output to the newest client, preceded by the last few KiB. Output is read even when nobody listens, so that the guest
 * never blocks on its console.
 */
export interface ConsoleHub {
  /** Takes the console; the client before it is closed. Returns how to leave. */
  attach(client: ConsoleClient): () => void;
  input(bytes: Uint8Array): void;
  close(): void;
}

const REPLAY_BYTES = 64 * 1024;
const RECONNECT_MS = 200;

function readTail(path: string): Buffer {
  let file;
  try {
    file = openSync(path, 'r');
  } catch {
    return Buffer.alloc(0);
  }
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, REPLAY_BYTES));
    const read = readSync(file, tail, 0, tail.length, size - tail.length);
    return tail.subarray(0, read);
  } finally {
    closeSync(file);
  }
}

export function createConsoleHub(options: {
  readonly socketPath: string;
  /** Everything the guest has written so far; its end is replayed after a restart of ours. */
  readonly logPath: string;
  readonly clock: Clock;
  readonly log: Logger;
}): ConsoleHub {
  const { socketPath, logPath, clock, log } = options;
  let recent = readTail(logPath);
  let client: ConsoleClient | undefined;
  let socket: Socket | undefined;
  let cancel: () => void = () => undefined;
  let closed = false;

  function open(): void {
    if (closed) return;
    const next = connect(socketPath);
    socket = next;
    next.on('data', (chunk: Buffer) => {
      recent = Buffer.concat([recent, chunk]).subarray(-REPLAY_BYTES);
      client?.write(chunk);
    });
    next.on('error', (error) => log.debug({ socketPath, err: error.message }, 'console socket failed'));
    next.on('close', () => {
      if (closed) return;
      cancel = clock.after(RECONNECT_MS, open);
    });
  }
  open();

  return {
    attach(newest) {
      client?.close('another client took the console');
      client = newest;
      if (recent.length > 0) newest.write(recent);
      return () => {
        if (client === newest) client = undefined;
      };
    },
    input(bytes) {
      socket?.write(bytes);
    },
    close() {
      if (closed) return;
      closed = true;
      cancel();
      socket?.destroy();
      client?.close('the machine is gone');
      client = undefined;
    },
  };
}
