import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { isObject } from '@godwit/core/json';
import { monitorTimeMs, parseMonitorMessage } from '@godwit/guest';

interface Watched {
  readonly socket: Socket;
  running: boolean;
  poll: NodeJS.Timeout | undefined;
}

const LOOK_MS = 100;
const POLL_MS = 5;

/**
 * Sees through their second QMP sockets when the QEMUs below some directories run, and when the first byte of a disk moves.
 * Times are those of `performance.now()`.
 */
export class QemuObserver implements Disposable {
  readonly #directories: readonly string[];
  readonly #watched = new Map<string, Watched>();
  readonly #timer: NodeJS.Timeout;
  /** Instants at which a QEMU began to execute. */
  #resumes: number[] = [];
  #firstByteMs: number | undefined;
  #runnersMax = 0;

  constructor(directories: readonly string[]) {
    this.#directories = directories;
    this.#timer = setInterval(() => void this.#attachAll(), LOOK_MS);
  }

  /** What has been seen since counts from now on. */
  begin(): void {
    this.#resumes = [];
    this.#firstByteMs = undefined;
    this.#runnersMax = 0;
  }

  get firstByteMs(): number | undefined {
    return this.#firstByteMs;
  }

  /** When a QEMU last began to execute. */
  get runsMs(): number | undefined {
    return this.#resumes.at(-1);
  }

  /** How many executed at once; more than one must never be. */
  get runnersMax(): number {
    return this.#runnersMax;
  }

  async #attachAll(): Promise<void> {
    for (const directory of this.#directories)
      for (const name of await readdir(directory).catch(() => [])) this.#attach(join(directory, name, 'observe.sock'));
  }

  #attach(path: string): void {
    if (this.#watched.has(path)) return;
    const socket = connect(path);
    const watched: Watched = { socket, running: false, poll: undefined };
    this.#watched.set(path, watched);
    socket.on('error', () => undefined); // `close` follows
    socket.on('close', () => {
      clearInterval(watched.poll);
      this.#watched.delete(path);
    });
    const lines = createInterface({ input: socket });
    lines.on('error', () => undefined); // readline repeats the socket's errors
    lines.on('line', (line) => {
      const message = parseMonitorMessage(line);
      if (message === undefined) return;
      if (isObject(message['QMP']))
        socket.write('{"execute":"qmp_capabilities"}\n{"execute":"query-status","id":"state"}\n');
      else if (message['id'] === 'state' && isObject(message['return']))
        watched.running = message['return']['running'] === true;
      else if (message['id'] === 'jobs') this.#sawJobs(watched, message['return']);
      else if (typeof message['event'] === 'string') this.#event(watched, message['event'], message);
    });
  }

  #event(watched: Watched, event: string, message: Record<string, unknown>): void {
    const atMs = monitorTimeMs(message) - performance.timeOrigin;
    if (event === 'RESUME') {
      watched.running = true;
      this.#resumes.push(atMs);
      const running = [...this.#watched.values()].filter((one) => one.running).length;
      this.#runnersMax = Math.max(this.#runnersMax, running);
    } else if (event === 'STOP' || event === 'SHUTDOWN') watched.running = false;
    else if (event === 'JOB_STATUS_CHANGE' && this.#firstByteMs === undefined) {
      const data = message['data'];
      if (isObject(data) && data['status'] === 'running')
        watched.poll ??= setInterval(
          () => watched.socket.write('{"execute":"query-block-jobs","id":"jobs"}\n'),
          POLL_MS,
        );
    }
  }

  #sawJobs(watched: Watched, jobs: unknown): void {
    if (!Array.isArray(jobs)) return;
    const moved = jobs.some((job: unknown) => isObject(job) && typeof job['offset'] === 'number' && job['offset'] > 0);
    if (moved) this.#firstByteMs ??= performance.now();
    if (moved || jobs.length === 0) {
      clearInterval(watched.poll);
      watched.poll = undefined;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const { socket, poll } of this.#watched.values()) {
      clearInterval(poll);
      socket.destroy();
    }
  }
}
