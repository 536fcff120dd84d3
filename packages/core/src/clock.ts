/** Source of time. Tests pass a fake one; production code never calls `Date.now` or `setTimeout` for decisions. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Runs `fn` once after `ms`; the returned function cancels it and is idempotent. The timer never keeps the process alive. */
  after(ms: number, fn: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, which do not keep the process alive. */
export async function pause(ms: number, clock: Clock): Promise<void> {
  await new Promise<void>((resolve) => clock.after(ms, resolve));
}

/** RFC 3339 with whole seconds and `Z`, as `metav1.Time` wants it. */
export function rfc3339(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 with exactly six fractional digits, as `metav1.MicroTime` wants it. */
export function rfc3339Micro(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`;
}
