import type { Clock } from '@godwit/core/clock';
import { inTime } from '@godwit/core/in-time';

/** A guest that waits this long notices little. */
const QUICK_MS = 20;
const ATTEMPTS = 4;
const PATIENCE_MS = 10_000;

/**
 * Calls `flush` before the guest stands still: what is on its way to its volumes then it would wait for with every flush
 * that follows. Again while it takes long, since the guest writes on. Only ever a courtesy: one that fails, or takes more
 * than ten seconds, is left to those whose flushes count.
 */
export async function flushAhead(flush: () => Promise<void>, clock: Clock): Promise<void> {
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const begunMs = clock.now();
      await inTime(flush(), PATIENCE_MS, clock, () => new Error('late'));
      if (clock.now() - begunMs <= QUICK_MS) return;
    }
  } catch {
    // Whoever depends on it flushes again, and says what is wrong.
  }
}
