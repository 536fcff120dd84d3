/**
 * Whether copying disks gets anywhere while the guest writes to them. A copy starts over, in effect, each time it has
 * copied as much as was left: a sweep. A sweep at whose end most is left again will be followed by more of its kind.
 */
export interface DiskTrend {
  /** When the present sweep began, and what was left then. */
  readonly sinceMs: number;
  readonly restBytes: number;
  readonly doneBytes: number;
  readonly diverges: boolean;
}

export interface DiskReading {
  readonly atMs: number;
  /** Copied so far, what was copied again included. */
  readonly bytesDone: number;
  readonly bytesRemaining: number;
}

/** A sweep that leaves more than this share of what it began with is not worth another one. */
const GAIN = 0.7;

export function startDiskTrend(reading: DiskReading): DiskTrend {
  const { atMs, bytesDone, bytesRemaining } = reading;
  return { sinceMs: atMs, restBytes: bytesRemaining, doneBytes: bytesDone, diverges: false };
}

/** `settleMs`: a sweep is judged after this time at the earliest; a guest may write a lot for some seconds. */
export function observeDiskTrend(trend: DiskTrend, reading: DiskReading, settleMs: number): DiskTrend {
  const { atMs, bytesDone, bytesRemaining } = reading;
  if (trend.diverges || atMs - trend.sinceMs < settleMs || bytesDone - trend.doneBytes < trend.restBytes) return trend;
  const diverges = bytesRemaining > trend.restBytes * GAIN;
  return { ...startDiskTrend(reading), diverges };
}

/** When nothing will be left if it goes on as in this sweep; undefined before `settleMs` of it. */
export function endOfTrend(trend: DiskTrend, reading: DiskReading, settleMs: number): number | undefined {
  const passedMs = reading.atMs - trend.sinceMs;
  if (passedMs < settleMs) return undefined;
  const gained = trend.restBytes - reading.bytesRemaining;
  return gained <= 0 ? Number.POSITIVE_INFINITY : reading.atMs + (reading.bytesRemaining * passedMs) / gained;
}
