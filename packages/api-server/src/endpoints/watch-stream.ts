import { stringifyJson } from '@godwit/store';
import type { Exchange } from '../http/exchange.ts';

/** What a client may leave unread before it is cut off; it resumes from its last revision. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** Lines are joined up to this size, so that a long replay needs few writes. */
const MAX_WRITE_BYTES = 1024 * 1024;

/** Serializes an event's object once for all watchers of it: they are told one after the other. */
export class SharedJson {
  #object: unknown;
  #json = '';

  of(object: unknown): string {
    if (object !== this.#object) {
      this.#json = stringifyJson(object);
      this.#object = object;
    }
    return this.#json;
  }
}

/** The body of a watch: a line per event, never waiting for the client, bounded in what it holds for it. */
export class WatchStream {
  readonly #exchange: Exchange;
  readonly #json: SharedJson;
  readonly ended: Promise<void>;
  #queue: string[] = [];
  #queuedBytes = 0;
  #limitBytes = Number.POSITIVE_INFINITY;
  #pumping = false;
  #finished = false;
  #resolveEnded: () => void = () => undefined;

  constructor(exchange: Exchange, json: SharedJson) {
    this.#exchange = exchange;
    this.#json = json;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    exchange.signal.addEventListener('abort', () => this.finish(), { once: true });
  }

  /** Sends the headers, before any event: clients wait for them. */
  open(): void {
    this.#exchange.sink.begin(200, 'application/json', this.#exchange.warnings);
  }

  /** Called after the initial state, which may be of any size: from here on a client must keep up. */
  limit(): void {
    this.#limitBytes = this.#queuedBytes + MAX_QUEUED_BYTES;
  }

  /** `unique`: no other watcher gets the same object. */
  push(type: string, object: unknown, unique = false): void {
    if (this.#finished) return;
    const line = `{"type":"${type}","object":${unique ? stringifyJson(object) : this.#json.of(object)}}\n`;
    this.#queue.push(line);
    this.#queuedBytes += line.length;
    if (this.#queuedBytes > this.#limitBytes) {
      this.#finished = true;
      this.#exchange.sink.abort();
      this.#resolveEnded();
    } else if (!this.#pumping) {
      this.#pumping = true;
      // Events of one commit arrive in one turn; they leave in one write.
      queueMicrotask(() => void this.#pump());
    }
  }

  /** Sends what is queued, then ends the body. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    if (!this.#pumping) this.#close();
  }

  async #pump(): Promise<void> {
    const { sink } = this.#exchange;
    while (this.#queue.length > 0 && !sink.closed) {
      let size = 0;
      let count = 0;
      for (const line of this.#queue) {
        if (count > 0 && size + line.length > MAX_WRITE_BYTES) break;
        size += line.length;
        count += 1;
      }
      const chunk = this.#queue.splice(0, count).join('');
      this.#queuedBytes -= size;
      if (!sink.write(chunk)) await sink.drained();
    }
    this.#pumping = false;
    if (this.#finished || sink.closed) this.#close();
  }

  #close(): void {
    this.#finished = true;
    this.#exchange.sink.end();
    this.#resolveEnded();
  }
}
