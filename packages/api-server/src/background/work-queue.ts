import type { Clock } from '@godwit/core/clock';
import { backoffMs } from '@godwit/core/backoff';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';

const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 10_000;

/** Runs one function per key, one at a time, newest wish once; what fails is tried again, later and later. */
export class WorkQueue {
  readonly #work: (key: string) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #waiting = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #cancels = new Set<() => void>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(work: (key: string) => Promise<void>, clock: Clock, log: Logger) {
    this.#work = work;
    this.#clock = clock;
    this.#log = log;
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#waiting.add(key);
    this.#running ??= this.#run();
  }

  addAfter(key: string, ms: number): void {
    if (this.#stopped) return;
    const cancel = this.#clock.after(ms, () => {
      this.#cancels.delete(cancel);
      this.add(key);
    });
    this.#cancels.add(cancel);
  }

  /** Resolves when the function that is running, if any, has returned; nothing runs afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#waiting.clear();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Never inside the caller's turn: that is often the store telling its watchers.
    await new Promise((resolve) => setImmediate(resolve));
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      try {
        await this.#work(key);
        this.#failures.delete(key);
      } catch (error) {
        if (this.#stopped) break;
        const failures = this.#failures.get(key) ?? 0;
        this.#failures.set(key, failures + 1);
        this.#log.warn(
          { key, failures, error: describeError(error) },
          'Background work failed and will be tried again',
        );
        this.addAfter(key, backoffMs(failures, FIRST_RETRY_MS, LAST_RETRY_MS));
      }
    }
    this.#running = undefined;
  }
}
