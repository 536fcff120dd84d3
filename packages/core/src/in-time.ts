import type { Clock } from './clock.ts';

/**
 * What `work` gives, if it does so within `limitMs`; rejects with `late()` otherwise. The work goes on then, and what becomes
 * of it is nobody's business any more.
 */
export async function inTime<T>(work: Promise<T>, limitMs: number, clock: Clock, late: () => Error): Promise<T> {
  const limit = Promise.withResolvers<never>();
  const cancel = clock.after(limitMs, () => limit.reject(late()));
  try {
    return await Promise.race([work, limit.promise]);
  } finally {
    cancel();
  }
}
