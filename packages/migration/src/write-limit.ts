/**
 * How far the guest's writes to its disks are held back so that their copy gets on: what auto-converge is for memory. In
 * bytes per second that a copy has to deal with, for all disks together that keep it from its end.
 */
export interface WriteRates {
  /** What the guest writes, rounded up to what is copied at once. */
  readonly dirtyBytesPerSecond: number;
  /** What is copied, the guest's own writes included. */
  readonly copiedBytesPerSecond: number;
}

/** The first limit leaves three quarters of the way to what is behind. */
const FIRST_SHARE = 0.25;
const STEP = 0.5;
/** Under this a guest could as well be paused. */
const LEAST_BYTES_PER_SECOND = 65_536;

/** The next limit, under `present`; undefined when a lower one would change nothing, or too much. */
export function nextWriteLimit(present: number | undefined, rates: WriteRates | undefined): number | undefined {
  if (rates === undefined) return undefined;
  const { dirtyBytesPerSecond, copiedBytesPerSecond } = rates;
  const most = (present ?? copiedBytesPerSecond) * (present === undefined ? FIRST_SHARE : STEP);
  const limit = Math.max(LEAST_BYTES_PER_SECOND, Math.floor(Math.min(most, dirtyBytesPerSecond * STEP)));
  // A guest that writes less than that is not what the copy waits for.
  if (dirtyBytesPerSecond <= Math.max(most, LEAST_BYTES_PER_SECOND)) return undefined;
  return limit < (present ?? Number.POSITIVE_INFINITY) ? limit : undefined;
}
