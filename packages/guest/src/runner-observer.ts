import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { isObject } from '@godwit/core/json';
import { monitorTimeMs, parseMonitorMessage } from './monitor-message.ts';
import { mostSimultaneous, pauses } from './run-intervals.ts';
import type { Pause, RunInterval } from './run-intervals.ts';

interface Watched {
  readonly machine: string;
  readonly socket: Socket;
  runningSinceMs: number | undefined;
}

/**
 * Watches the QEMUs of one VM through their observer QMP sockets and knows when each of them executed. Times are those that QEMU
 * puts on its events (microseconds of the host's clock), so a busy observer measures as well as an idle one.
 */
export class RunnerObserver implements Disposable {
  readonly #watched = new Map<string, Watched>();
  readonly #finished: RunInterval[] = [];
  readonly #stopListeners: (() => void)[] = [];

  /**
   * Attaches to one `observe.sock`. Resolves once the present run state is known, or with false when nothing answers there.
   * Attaching twice to the same live QEMU does nothing.
   */
  async attach(path: string): Promise<boolean> {
    if (this.#watched.has(path)) return true;
    const socket = createConnection(path);
    const watched: Watched = { machine: path, socket, runningSinceMs: undefined };
    this.#watched.set(path, watched);
    const settled = Promise.withResolvers<boolean>();
    socket.on('error', () => undefined); // `close` follows
    socket.on('close', () => {
      this.#stop(watched, Date.now());
      this.#watched.delete(path);
      settled.resolve(false);
    });
    const lines = createInterface({ input: socket });
    lines.on('error', () => undefined); // readline repeats the socket's errors
    lines.on('line', (line) => {
      const message = parseMonitorMessage(line);
      if (message === undefined) return;
      if (isObject(message['QMP']))
        socket.write('{"execute":"qmp_capabilities"}\n{"execute":"query-status","id":"state"}\n');
      else if (typeof message['event'] === 'string') this.#event(watched, message['event'], monitorTimeMs(message));
      else if (message['id'] === 'state') {
        if (isObject(message['return']) && message['return']['running'] === true) watched.runningSinceMs ??= Date.now();
        settled.resolve(true);
      }
    });
    return settled.promise;
  }

  /** Attaches to every `observe.sock` in the subdirectories of these directories that is not watched yet. */
  async attachAll(directories: readonly string[]): Promise<void> {
    for (const directory of directories) {
      for (const name of await readdir(directory).catch(() => []))
        await this.attach(join(directory, name, 'observe.sock'));
    }
  }

  #event(watched: Watched, event: string, atMs: number): void {
    if (event === 'RESUME') watched.runningSinceMs ??= atMs;
    else if (event === 'STOP' || event === 'SHUTDOWN') this.#stop(watched, atMs);
  }

  /** Resolves, within about a millisecond, when next a QEMU stops executing. */
  nextStop(): Promise<void> {
    return new Promise((resolve) => this.#stopListeners.push(resolve));
  }

  #stop(watched: Watched, atMs: number): void {
    if (watched.runningSinceMs === undefined) return;
    for (const listener of this.#stopListeners.splice(0)) listener();
    this.#finished.push({
      machine: watched.machine,
      fromMs: watched.runningSinceMs,
      toMs: Math.max(atMs, watched.runningSinceMs),
    });
    watched.runningSinceMs = undefined;
  }

  intervals(): readonly RunInterval[] {
    const open = [...this.#watched.values()].flatMap(({ machine, runningSinceMs }) =>
      runningSinceMs === undefined ? [] : [{ machine, fromMs: runningSinceMs }],
    );
    return [...this.#finished, ...open];
  }

  runnersMax(): number {
    return mostSimultaneous(this.intervals());
  }

  pauses(): readonly Pause[] {
    return pauses(this.intervals());
  }

  get watching(): readonly string[] {
    return [...this.#watched.keys()];
  }

  [Symbol.dispose](): void {
    for (const { socket } of this.#watched.values()) socket.destroy();
  }
}
