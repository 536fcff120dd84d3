/** Delay before retry number `attempt` (0 = first retry): `baseMs * 2^attempt`, at most `capMs`, without jitter. */
export function backoffMs(attempt: number, baseMs: number, capMs: number): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
}
