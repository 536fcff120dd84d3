import { isGodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';

/** Generous, because a machine may be busy: a test that passes never waits this long. */
const defaultTimeoutMs = 60_000;

/** Looks until `probe` gives something; an API server that is just being started again counts as "not yet". */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = defaultTimeoutMs,
): Promise<Exclude<T, undefined | false>> {
  return waitFor(() => unlessDown(probe), { timeoutMs, intervalMs: 50, what });
}

async function unlessDown<T>(probe: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await probe();
  } catch (error) {
    if (isGodwitError(error, 'KUBE_UNREACHABLE')) return undefined;
    throw error;
  }
}
