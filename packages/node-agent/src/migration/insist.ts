import { backoffMs } from '@godwit/core/backoff';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';

const HICCUPS = 3;
/** Short enough for an agent that is about to end. */
const LONGEST_PAUSE_MS = 2000;

export interface InsistOptions {
  /** What cannot be done, for whoever waits: it is followed by the reason. */
  readonly hindrance: string;
  /** The agent is about to end: its successor does what is left. */
  readonly stopped: () => boolean;
  /** Hears why it takes long, and `undefined` when that is overcome. */
  readonly hindered: (why: string | undefined) => void;
  readonly log: Logger;
  /** Between two attempts; default 2 s. */
  readonly longestPauseMs?: number;
}

/**
 * Does what a migration cannot go on without, as often as it takes: a failure says nothing about where the guest may run.
 * Rejects with the last failure only when stopped.
 */
export async function insist<T>(work: () => Promise<T>, options: InsistOptions): Promise<T> {
  const { hindrance, stopped, hindered, log, longestPauseMs = LONGEST_PAUSE_MS } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const result = await work();
      if (attempt > HICCUPS) hindered(undefined);
      return result;
    } catch (error) {
      if (stopped()) throw error;
      const why = `${hindrance}: ${describeError(error)}`;
      log.error({ err: why, attempt }, 'trying again');
      if (attempt === HICCUPS) hindered(why);
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt - 1, 50, longestPauseMs)));
    }
  }
}
