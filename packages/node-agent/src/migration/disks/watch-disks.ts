import type { Clock } from '@godwit/core/clock';
import type { MirrorProgress } from '@godwit/hypervisor';
import {
  deadlineMs,
  diskFailure,
  endOfTrend,
  explainJudgement,
  judge,
  nextDiskMeasure,
  nextWriteLimit,
  observeDiskTrend,
  observePhase,
  startDiskTrend,
  watchAgain,
  watchPhase,
  type ConvergencePolicy,
  type DiskSituation,
  type DiskTrend,
} from '@godwit/migration';
import { failure } from '../copy-context.ts';
import type { WriteLimits } from './write-limits.ts';

/** What is to be done about the disks that keep a copy from its end. */
export type DiskStep =
  | { readonly do: 'wait' | 'start' }
  /** Told once. */
  | { readonly do: 'synchronise' }
  | { readonly do: 'limit-writes'; readonly bytesPerSecond: number };

/** Watches the mirrors of one copy until they are in sync. */
export interface DiskWatch {
  /** Throws when policy gives up. Waits while the copy stands still, whatever the guest writes (`watchStandStill`). */
  look(mirrors: readonly MirrorProgress[], standsStill: boolean): DiskStep;
  /** All are in sync: what to do about what the guest goes on writing. */
  inSync(mirrors: readonly MirrorProgress[], verdict: 'start' | 'look' | 'synchronise'): DiskStep;
}

/** Rates are those of so long: under a limit QEMU copies a lot at once, then rests, and looks for what was written afterwards. */
const WINDOW_MS = 10_000;
const LEAST_WINDOW_MS = 2000;

export function watchDisks(
  policy: ConvergencePolicy,
  clock: Clock,
  options: {
    readonly begunAs: DiskSituation['mode'];
    readonly writes: Pick<WriteLimits, 'present'>;
    /** What it takes to have the guest's writes go to both sides of a copy that runs. */
    readonly synchronising: 'free' | 'another sweep';
  },
): DiskWatch {
  const { writes } = options;
  let mode = options.begunAs;
  let phase = watchPhase('disks', clock.now());
  let trend: DiskTrend | undefined;
  let first: Point | undefined;
  let recent: readonly Point[] = [];

  const again = (atMs: number) => {
    phase = watchAgain(phase, atMs);
    trend = undefined;
    recent = [];
  };
  const synchronise = (atMs: number): DiskStep => {
    mode = 'synchronous';
    first = undefined;
    again(atMs);
    return { do: 'synchronise' };
  };
  const limitWrites = (bytesPerSecond: number, atMs: number): DiskStep => {
    again(atMs);
    return { do: 'limit-writes', bytesPerSecond };
  };
  const see = (point: Point) => {
    first ??= point;
    recent = [...recent.filter(({ atMs }) => point.atMs - atMs <= WINDOW_MS), point];
  };
  const nextLimit = (point: Point): number | undefined => {
    const rates = policy.autoConverge ? ratesOf(recent) : undefined;
    if (rates === undefined) return undefined;
    const copiedBytesPerSecond = Math.max(rates.copiedBytesPerSecond, perSecond(first, point) ?? 0);
    return nextWriteLimit(writes.present(), { ...rates, copiedBytesPerSecond });
  };
  const hasTime = ({ atMs, bytesDone }: Point): boolean => {
    if (options.synchronising === 'free') return true;
    const sweepMs = (phase.sizeBytes * 1000) / (perSecond(first, { atMs, bytesDone }) ?? 0);
    return atMs + sweepMs <= deadlineMs(policy, phase);
  };

  return {
    inSync(mirrors, verdict) {
      const point = pointOf(mirrors, clock.now());
      see(point);
      // What a synchronous mirror has left is being written at this moment: there is nothing better.
      if (verdict === 'start' || mode === 'synchronous') return { do: 'start' };
      if (verdict === 'look') return { do: 'wait' };
      const limit = nextLimit(point);
      return limit === undefined || hasTime(point) ? synchronise(point.atMs) : limitWrites(limit, point.atMs);
    },

    look(mirrors, standsStill) {
      const point = pointOf(mirrors, clock.now());
      const { atMs, bytesDone } = point;
      const bytesRemaining = remainingBytes(mirrors);
      const settleMs = writes.present() === undefined ? policy.settleMs : policy.limitedSettleMs;
      let lags = false;
      // Before QEMU has looked at the whole disk, nothing is left to do.
      if (mirrors.every((mirror) => mirror.ready || mirror.bytesTotal > 0)) {
        const reading = { atMs, bytesDone, bytesRemaining };
        see(point);
        phase = observePhase(phase, reading);
        const endMs = trend && endOfTrend(trend, reading, settleMs);
        lags = endMs !== undefined && endMs > deadlineMs(policy, phase);
        trend = trend === undefined ? startDiskTrend(reading) : observeDiskTrend(trend, reading, settleMs);
      }
      const judgement = judge(policy, phase, atMs);
      const limit = nextLimit(point);
      const measure = nextDiskMeasure({
        judgement,
        diverges: trend?.diverges ?? false,
        lags,
        mode,
        hasTime: hasTime(point),
        canLimitWrites: limit !== undefined,
      });
      if (measure === 'fail' && judgement !== 'on') {
        const bytesPerSecond = perSecond(first, point);
        throw failure(
          diskFailure(
            explainJudgement(policy, phase, atMs, judgement),
            first === undefined ? {} : { bytesRemaining, bytesPerSecond },
            policy,
          ),
        );
      }
      if (standsStill) return { do: 'wait' };
      if (measure === 'synchronise') return synchronise(atMs);
      return measure === 'limit-writes' && limit !== undefined ? limitWrites(limit, atMs) : { do: 'wait' };
    },
  };
}

/** What is still to be copied, and what the guest has written since it was. */
export function remainingBytes(mirrors: readonly MirrorProgress[]): number {
  return sum(mirrors.map((mirror) => Math.max(0, mirror.bytesTotal - mirror.bytesDone)));
}

interface Point {
  readonly atMs: number;
  readonly bytesTotal: number;
  readonly bytesDone: number;
}

function pointOf(mirrors: readonly MirrorProgress[], atMs: number): Point {
  const bytesTotal = sum(mirrors.map((mirror) => mirror.bytesTotal));
  return { atMs, bytesTotal, bytesDone: sum(mirrors.map((mirror) => mirror.bytesDone)) };
}

/** Undefined until enough has been seen. */
function ratesOf(points: readonly Point[]) {
  const [from, to] = [points[0], points.at(-1)];
  if (from === undefined || to === undefined || to.atMs - from.atMs < LEAST_WINDOW_MS) return undefined;
  const rate = (bytes: number) => Math.max(0, Math.round((bytes * 1000) / (to.atMs - from.atMs)));
  return {
    dirtyBytesPerSecond: rate(to.bytesTotal - from.bytesTotal),
    copiedBytesPerSecond: rate(to.bytesDone - from.bytesDone),
  };
}

type Done = Pick<Point, 'atMs' | 'bytesDone'>;

function perSecond(from: Done | undefined, to: Done): number | undefined {
  if (from === undefined || to.atMs <= from.atMs) return undefined;
  return Math.max(0, Math.round(((to.bytesDone - from.bytesDone) * 1000) / (to.atMs - from.atMs)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
