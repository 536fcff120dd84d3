import { backoffMs } from '@godwit/core/backoff';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';

const HICCUPS = 3;

/**
 * Repeats a durable write until it holds: what comes after it must not happen before. `hindered` hears why it takes long,
 * and `undefined` when it is overcome.
 */
export async function durably(
  write: () => Promise<void>,
  log: Logger,
  hindered?: (why: string | undefined) => void,
): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await write();
      if (attempt >= HICCUPS) hindered?.(undefined);
      return;
    } catch (error) {
      const why = describeError(error);
      log.error({ error: why }, 'the journal cannot be written');
      if (attempt === HICCUPS - 1) hindered?.(`The journal of the migration cannot be written: ${why}`);
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt, 50, 5000)));
    }
  }
}
