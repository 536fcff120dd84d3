import type { Clock } from './clock.ts';

/**
 * What `work` gives, if it does so within `limitMs`; rejects with `late()` otherwise. The work goes on then, and what becomes
 * of it is nobody's business any more.
 */
export async function inTime<T>(work: Promise<T>, limitMs: number, clock: Clock, late: () => Error): Promise<T> {
  return race(work, limitMs, clock, () => {
    throw late();
  });
}

/** As `inTime`, but resolves with `undefined` when it is late. */
export async function ifInTime<T>(work: Promise<T>, limitMs: number, clock: Clock): Promise<T | undefined> {
  return race(work, limitMs, clock, () => undefined);
}

async function race<T, L>(work: Promise<T>, limitMs: number, clock: Clock, late: () => L): Promise<T | L> {
  let cancel = () => {};
  const limit = new Promise<void>((resolve) => (cancel = clock.after(limitMs, resolve))).then(late);
  try {
    return await Promise.race([work, limit]);
  } finally {
    cancel();
  }
}
