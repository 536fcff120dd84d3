import { GodwitError } from './errors.ts';

export interface WaitOptions {
  /** Milliseconds until it rejects with `WAIT_TIMEOUT`. */
  readonly timeoutMs: number;
  /** Pause between two looks in milliseconds; default 20. */
  readonly intervalMs?: number;
  /** Named in the error, as in "Timed out waiting for <what>". */
  readonly what: string;
  readonly signal?: AbortSignal;
}

/**
 * Looks until `probe` gives something other than `undefined` or `false`, and resolves with it.
 * Rejects with `WAIT_TIMEOUT` after `timeoutMs`, with the signal's reason when aborted, and with whatever `probe` throws.
 */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, undefined | false>> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const value = await probe();
    // The cast is safe: undefined and false were just excluded.
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    if (Date.now() >= deadline) {
      throw new GodwitError('WAIT_TIMEOUT', `Timed out after ${options.timeoutMs} ms waiting for ${options.what}`, {
        retry: 'backoff',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, options.intervalMs ?? 20));
  }
}
