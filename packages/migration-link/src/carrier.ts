import { createInterface } from 'node:readline';
import { isObject } from '@godwit/core/json';
import { END, KEEP, WATCH } from './carrier-words.ts';
import { linkError } from './errors.ts';
import type { Carried, CarrierConfig, Channel } from './relay.ts';
import { takeCarrier } from './spare-carrier.ts';
import type { LinkCredentials } from './tls-options.ts';

/** The separate process that moves the bytes of one side of one migration. */
export interface Carrier {
  readonly pid: number;
  /** QEMU's side: where a source's QEMU connects, or where a target's listens. */
  readonly sockets: CarrierConfig['sockets'];
  /** Of a target carrier. */
  readonly ports: Readonly<Record<Channel, number>> | undefined;
  /** A fraction of a second old; exact once `close` has resolved. */
  carried(): Carried;
  /** Why a connection in use ended before QEMU here ended it, by the network or by a peer that may have been done; the first time. */
  lost(channel: Channel): string | undefined;
  /** Of a source carrier: resolves when what QEMU will send has a way to the target carrier; never, while it has none. */
  readonly reached: Promise<void>;
  /** Why it ended without `close`. */
  ended(): string | undefined;
  /** Connections from now on are made and accepted with these; those that stand stay. */
  renew(credentials: LinkCredentials): void;
  /** Called once when the process ended without `close`. */
  onExit(listener: (reason: string) => void): void;
  /**
   * From now on the process outlives its agent, for as long as its memory connection is in use: a guest in post-copy dies
   * with that connection. Idempotent.
   */
  keep(): void;
  /**
   * From now on breaks memory connections on which nothing has come towards the target for so long, also when nobody is left to
   * hear of it: a network may swallow everything and tell nobody. What waits to be connected is left alone.
   */
  watch(seconds: number): void;
  /** Lets go of a kept process, as the end of the agent does; ends one that is not kept. */
  leave(): Promise<void>;
  /** Ends the process; resolves when it is gone. Idempotent. */
  close(): Promise<void>;
}

/** A carrier says its last figures and ends; one that does not is ended. */
const CLOSE_MS = 1000;
/** Of what a carrier that dies said last. */
const LAST_WORDS = 400;

/** Resolves when it listens. Rejects with LINK_CLOSED when it cannot; then no process is left. */
export async function startCarrier(config: CarrierConfig, onProblem: (reason: string) => void): Promise<Carrier> {
  const child = takeCarrier();
  let carried: Carried = { memory: 0, block: 0 };
  const lost = new Map<unknown, string>();
  const reached = Promise.withResolvers<void>();
  let closing = false;
  let ended: string | undefined;
  let words = '';
  const listeners: ((reason: string) => void)[] = [];
  const gone = new Promise<void>((resolve) => {
    const finish = (reason: string) => {
      if (ended !== undefined) return;
      ended = reason;
      resolve();
      if (!closing) for (const listener of listeners) listener(reason);
    };
    // Not `exit`: what it said last must have been read.
    child.once('close', (code, signal) => {
      const how = signal ?? `exit status ${code ?? 'unknown'}`;
      finish(`The carrier ended (${how})${words === '' ? '' : `: ${words.trim()}`}`);
    });
    child.once('error', (error) => finish(`The carrier could not start: ${error.message}`));
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    words = (words + chunk).slice(-LAST_WORDS);
  });
  child.stdin.on('error', () => undefined); // its end is reported by `close`
  child.stdin.write(`${JSON.stringify(config)}\n`);
  let kept = false;
  const close = async () => {
    closing = true;
    child.stdin.end(`${END}\n`);
    const impatient = setTimeout(() => {
      onProblem(`The carrier did not end within ${CLOSE_MS} ms`);
      child.kill('SIGKILL');
    }, CLOSE_MS);
    await gone;
    clearTimeout(impatient);
  };
  const ports = await new Promise<Carrier['ports']>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message: unknown = JSON.parse(line);
      if (!isObject(message)) return;
      // The casts are safe: carrier-main.ts wrote the line.
      if (message['type'] === 'listening') resolve(message['ports'] as Carrier['ports']);
      if (message['type'] === 'reached') reached.resolve();
      if (message['type'] === 'carried') carried = message as unknown as Carried;
      if (message['type'] === 'lost' && !lost.has(message['channel']))
        lost.set(message['channel'], String(message['reason']));
      if (message['type'] === 'problem') onProblem(String(message['reason']));
      if (message['type'] === 'failed')
        reject(linkError('LINK_CLOSED', 'The carrier cannot listen', message['reason']));
    });
    void gone.then(() => reject(linkError('LINK_CLOSED', ended ?? 'The carrier ended')));
  });
  if (child.pid === undefined) throw linkError('LINK_CLOSED', 'The carrier has no process');
  return {
    pid: child.pid,
    sockets: config.sockets,
    ports,
    carried: () => ({ memory: carried.memory, block: carried.block }),
    lost: (channel) => lost.get(channel),
    reached: reached.promise,
    ended: () => (closing ? undefined : ended),
    onExit(listener) {
      if (ended === undefined) listeners.push(listener);
      else if (!closing) listener(ended);
    },
    renew(credentials) {
      if (!closing) child.stdin.write(`${JSON.stringify(credentials)}\n`);
    },
    keep() {
      if (kept || closing) return;
      kept = true;
      child.stdin.write(`${KEEP}\n`);
    },
    watch(seconds) {
      if (!closing) child.stdin.write(`${WATCH}${seconds}\n`);
    },
    async leave() {
      if (!kept) return close();
      closing = true;
      child.stdin.end();
      child.stdout.destroy();
      child.unref();
    },
    close,
  };
}
