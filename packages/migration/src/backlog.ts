import type { ConvergencePolicy } from './convergence.ts';

/**
 * How much of the disks is still to be copied once the guest is stopped. QEMU's downtime limit knows nothing of it, and
 * once memory travels the stop cannot be put off any more: so this is judged before, from how the copy went.
 */
export interface BacklogReading {
  readonly atMs: number;
  readonly bytesTotal: number;
  readonly bytesDone: number;
  /** All disks are in sync but for what the guest has just written. */
  readonly ready: boolean;
}

/** Newest last. */
export type BacklogHistory = readonly BacklogReading[];

/** A mirror that has caught up looks again after so long: what is written meanwhile is always left. */
const REST_MS = 100;
const DIRTY_WINDOW_MS = 2000;
/** What is left is looked at for so long when the guest writes much. */
const SAMPLE_MS = 500;
const KEPT = 64;
/** Of the downtime that policy bears, what disks may take. */
const SHARE = 0.1;
/** Until something is known: a slow link. */
const ASSUMED_BYTES_PER_SECOND = 100 * 2 ** 20;

export function keepReading(history: BacklogHistory, reading: BacklogReading): BacklogHistory {
  return [...history.slice(1 - KEPT), reading];
}

/** `look`: once more, in a moment. `synchronise`: stopped like this, the guest would stand still for too long. */
export function mayStartMemory(
  policy: Pick<ConvergencePolicy, 'startDowntimeMs' | 'maxDowntimeMs'>,
  history: BacklogHistory,
): 'start' | 'look' | 'synchronise' {
  const last = history.at(-1);
  if (last === undefined) return 'start';
  const limitMs = Math.max(policy.startDowntimeMs, policy.maxDowntimeMs * SHARE);
  const bytesPerMs = copyRate(history) / 1000;
  const recent = history.filter((reading) => last.atMs - reading.atMs <= DIRTY_WINDOW_MS);
  const expectedBytes = dirtyPerMs(recent) * REST_MS;
  if (Math.max(expectedBytes, backlog(last)) / bytesPerMs <= limitMs / 4) return 'start';
  const samples = history.filter((reading) => reading.ready);
  const first = samples[0];
  if (first === undefined || last.atMs - first.atMs < SAMPLE_MS) return 'look';
  const most = Math.max(...samples.filter((reading) => last.atMs - reading.atMs <= SAMPLE_MS).map(backlog));
  return most / bytesPerMs <= limitMs ? 'start' : 'synchronise';
}

/** What the guest writes, rounded up to what is copied at once, in bytes per second; undefined before two looks. */
export function dirtyRate(history: BacklogHistory): number | undefined {
  const last = history.at(-1);
  if (last === undefined || history.length < 2) return undefined;
  const recent = history.filter((reading) => last.atMs - reading.atMs <= DIRTY_WINDOW_MS);
  return recent.length < 2 ? undefined : Math.round(dirtyPerMs(recent) * 1000);
}

const backlog = ({ bytesTotal, bytesDone }: BacklogReading): number => Math.max(0, bytesTotal - bytesDone);

function dirtyPerMs(readings: BacklogHistory): number {
  const known = readings.filter((reading) => reading.bytesTotal > 0);
  const first = known[0];
  const last = known.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
  return Math.max(0, last.bytesTotal - first.bytesTotal) / (last.atMs - first.atMs);
}

/** The middle of the rates seen while there was much to do: holes, which take no time, weigh by the time they take. */
function copyRate(history: BacklogHistory): number {
  const rates: number[] = [];
  for (const [index, reading] of history.entries()) {
    const before = history[index - 1];
    if (before === undefined || before.ready || reading.atMs <= before.atMs) continue;
    const bytes = reading.bytesDone - before.bytesDone;
    if (bytes > 0) rates.push((bytes * 1000) / (reading.atMs - before.atMs));
  }
  return rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)] ?? ASSUMED_BYTES_PER_SECOND;
}
