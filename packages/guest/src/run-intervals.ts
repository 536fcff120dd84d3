/** A time during which one QEMU executed vCPUs, in epoch milliseconds; `toMs` is absent while it still does. */
export interface RunInterval {
  readonly machine: string;
  readonly fromMs: number;
  readonly toMs?: number;
}

/** The most QEMUs that ran at one instant. Intervals that only touch do not overlap. */
export function mostSimultaneous(intervals: readonly RunInterval[]): number {
  const edges = intervals.flatMap(({ fromMs, toMs }) => {
    const end = toMs ?? Infinity;
    return end > fromMs
      ? [
          { at: fromMs, change: 1 },
          { at: end, change: -1 },
        ]
      : [];
  });
  edges.sort((a, b) => a.at - b.at || a.change - b.change);
  let running = 0;
  let most = 0;
  for (const edge of edges) {
    running += edge.change;
    most = Math.max(most, running);
  }
  return most;
}

export interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
  readonly lengthMs: number;
  readonly from: string;
  readonly to: string;
}

/** The times when no QEMU ran, between the first start and the last. */
export function pauses(intervals: readonly RunInterval[]): readonly Pause[] {
  const sorted = intervals.toSorted((a, b) => a.fromMs - b.fromMs);
  const found: Pause[] = [];
  let last: RunInterval | undefined;
  for (const interval of sorted) {
    const end = last === undefined ? undefined : (last.toMs ?? Infinity);
    if (last !== undefined && end !== undefined && interval.fromMs > end) {
      const lengthMs = interval.fromMs - end;
      found.push({ fromMs: end, toMs: interval.fromMs, lengthMs, from: last.machine, to: interval.machine });
    }
    if (last === undefined || (interval.toMs ?? Infinity) >= (last.toMs ?? Infinity)) last = interval;
  }
  return found;
}
