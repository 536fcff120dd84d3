import { open } from 'node:fs/promises';
import type { Clock } from '@godwit/core/clock';
import { inTime } from '@godwit/core/in-time';

/** A guest that waits this long notices little. */
const QUICK_MS = 20;
const ATTEMPTS = 4;
const PATIENCE_MS = 10_000;

/**
 * Has what is on its way to these files written before the guest stands still: it would wait for that with every flush
 * that follows. Done again while it takes long, since the guest writes on. Only ever a courtesy: a file that cannot be
 * flushed, or not in ten seconds, is left to those whose flushes count.
 */
export async function flushAhead(paths: readonly string[], clock: Clock, flush = flushFile): Promise<void> {
  const late = () => new Error('late');
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const begunMs = clock.now();
      await inTime(Promise.all(paths.map(flush)), PATIENCE_MS, clock, late);
      if (clock.now() - begunMs <= QUICK_MS) return;
    }
  } catch {
    // Whoever depends on it flushes again, and says what is wrong.
  }
}

async function flushFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
