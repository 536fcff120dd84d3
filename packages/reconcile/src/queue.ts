import { backoffMs } from '@godwit/core/backoff';
import type { Clock } from '@godwit/core/clock';

/** Back-off between failures of one key. */
export const BACKOFF_BASE_MS = 5;
export const BACKOFF_CAP_MS = 30_000;

/**
 * Keys waiting for work. A key is in the queue at most once; a key added while it is being worked on comes back when
 * that work is done, so that one key is never worked on twice at the same time.
 */
export interface WorkQueue {
  add(key: string): void;
  /** Adds the key later; an earlier pending time for the same key wins. */
  addAfter(key: string, ms: number): void;
  /** Adds the key after its back-off, which doubles with every call until `forget`. Returns the delay in ms. */
  addFailed(key: string): number;
  forget(key: string): void;
  /** The next key, or `undefined` once the queue is shut down. Every key must be given back with `done`. */
  take(): Promise<string | undefined>;
  done(key: string): void;
  /** Pending takes resolve with `undefined`, delayed keys are dropped. */
  shutDown(): void;
  readonly length: number;
}

export function createWorkQueue(clock: Clock): WorkQueue {
  const ready: string[] = [];
  /** Wanted: either in `ready`, or being worked on and wanted again. */
  const dirty = new Set<string>();
  const working = new Set<string>();
  const failures = new Map<string, number>();
  const delayed = new Map<string, { at: number; cancel: () => void }>();
  const takers: ((key: string | undefined) => void)[] = [];
  let down = false;

  const hand = (): void => {
    while (ready.length > 0 && takers.length > 0) {
      // Both are there: just checked.
      const key = ready.shift()!;
      dirty.delete(key);
      working.add(key);
      takers.shift()!(key);
    }
  };

  const queue: WorkQueue = {
    add(key) {
      if (down || dirty.has(key)) return;
      dirty.add(key);
      if (working.has(key)) return;
      ready.push(key);
      hand();
    },
    addAfter(key, ms) {
      if (down) return;
      if (ms <= 0) {
        queue.add(key);
        return;
      }
      const at = clock.now() + ms;
      const old = delayed.get(key);
      if (old && old.at <= at) return;
      old?.cancel();
      const cancel = clock.after(ms, () => {
        delayed.delete(key);
        queue.add(key);
      });
      delayed.set(key, { at, cancel });
    },
    addFailed(key) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      const delay = backoffMs(count, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
      queue.addAfter(key, delay);
      return delay;
    },
    forget(key) {
      failures.delete(key);
    },
    take() {
      if (down) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        takers.push(resolve);
        hand();
      });
    },
    done(key) {
      working.delete(key);
      if (!down && dirty.has(key)) {
        ready.push(key);
        hand();
      }
    },
    shutDown() {
      down = true;
      for (const { cancel } of delayed.values()) cancel();
      delayed.clear();
      ready.length = 0;
      dirty.clear();
      for (const taker of takers.splice(0)) taker(undefined);
    },
    get length() {
      return ready.length;
    },
  };
  return queue;
}
