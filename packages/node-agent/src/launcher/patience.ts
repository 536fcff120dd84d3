import type { Clock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { inTime } from '@godwit/core/in-time';

/**
 * How long one guest may keep a worker that the others of its node need too. A QEMU that answers at all does so at once, and a
 * process that was killed ends at once, or when its storage answers.
 */
export const PATIENCE_SECONDS = 10;

/** What `work` gives. Rejects with `HYPERVISOR_TIMEOUT` (retry: backoff) and this message when that takes too long. */
export function withPatience<T>(work: Promise<T>, clock: Clock, message: string): Promise<T> {
  const late = (): Error => new GodwitError('HYPERVISOR_TIMEOUT', message, { retry: 'backoff' });
  return inTime(work, PATIENCE_SECONDS * 1000, clock, late);
}
