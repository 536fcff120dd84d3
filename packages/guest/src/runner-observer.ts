import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import { monitorTimeMs, parseMonitorMessage } from './monitor-message.ts';
import { mostSimultaneous, pauses } from './run-intervals.ts';
import type { Pause, RunInterval } from './run-intervals.ts';

interface Watched {
  readonly machine: string;
  readonly socket: Socket;
  runningSinceMs: number | undefined;
  /** Commands without an answer so far, by their ids. */
  readonly asked: Map<string, PromiseWithResolvers<unknown>>;
}

/**
 * Watches the QEMUs of one VM through their observer QMP sockets and knows when each of them executed. Times are those that QEMU
 * puts on its events (microseconds of the host's clock), so a busy observer measures as well as an idle one.
 */
export class RunnerObserver implements Disposable {
  readonly #watched = new Map<string, Watched>();
  readonly #finished: RunInterval[] = [];
  readonly #stopListeners: (() => void)[] = [];
  #commands = 0;

  /**
   * Attaches to one `observe.sock`. Resolves once the present run state is known, or with false when nothing answers there.
   * Attaching twice to the same live QEMU does nothing.
   */
  async attach(path: string): Promise<boolean> {
    if (this.#watched.has(path)) return true;
    const socket = createConnection(path);
    const watched: Watched = { machine: path, socket, runningSinceMs: undefined, asked: new Map() };
    this.#watched.set(path, watched);
    const settled = Promise.withResolvers<boolean>();
    socket.on('error', () => undefined); // `close` follows
    socket.on('close', () => {
      this.#stop(watched, Date.now());
      this.#watched.delete(path);
      settled.resolve(false);
      for (const { reject } of watched.asked.values()) reject(new GodwitError('GUEST_QEMU_GONE', `${path} is closed`));
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
      } else if (typeof message['id'] === 'string') this.#answer(watched, message['id'], message);
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

  /**
   * Has a QEMU that is watched carry out a command: nobody else can come to its socket meanwhile. Resolves with its answer,
   * rejects with `GUEST_QEMU_REFUSED` or `GUEST_QEMU_GONE`.
   */
  execute(path: string, command: string, parameters: object = {}): Promise<unknown> {
    const watched = this.#watched.get(path);
    if (watched === undefined) return Promise.reject(new GodwitError('GUEST_QEMU_GONE', `${path} is not watched`));
    const id = `${command}-${++this.#commands}`;
    const asked = Promise.withResolvers<unknown>();
    watched.asked.set(id, asked);
    watched.socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
    return asked.promise;
  }

  #answer(watched: Watched, id: string, message: Readonly<Record<string, unknown>>): void {
    const asked = watched.asked.get(id);
    watched.asked.delete(id);
    const { error } = message;
    if (error === undefined) asked?.resolve(message['return']);
    else asked?.reject(new GodwitError('GUEST_QEMU_REFUSED', `QEMU refused ${id}: ${JSON.stringify(error)}`));
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
