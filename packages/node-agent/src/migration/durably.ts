import { backoffMs } from '@godwit/core/backoff';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';

/** Repeats a durable write until it holds: what comes after it must not happen before. */
export async function durably(write: () => Promise<void>, log: Logger): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      log.error({ error: describeError(error) }, 'the journal cannot be written');
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt, 50, 5000)));
    }
  }
}
