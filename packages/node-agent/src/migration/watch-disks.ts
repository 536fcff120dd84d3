import type { Clock } from '@godwit/core/clock';
import type { MirrorProgress } from '@godwit/hypervisor';
import {
  diskFailure,
  explainJudgement,
  judge,
  nextDiskMeasure,
  observeDiskTrend,
  observePhase,
  startDiskTrend,
  watchAgain,
  watchPhase,
  type ConvergencePolicy,
  type DiskSituation,
  type DiskTrend,
} from '@godwit/migration';
import { failure } from './copy-context.ts';

/** Watches the mirrors of one copy until they are in sync. */
export interface DiskWatch {
  /** `synchronise`: the disks that are not in sync are to be copied anew; told once. Throws when policy gives up. */
  look(mirrors: readonly MirrorProgress[]): 'wait' | 'synchronise';
  /** All are in sync: what to do about what the guest goes on writing. */
  inSync(verdict: 'start' | 'look' | 'synchronise'): 'start' | 'wait' | 'synchronise';
}

export function watchDisks(policy: ConvergencePolicy, clock: Clock, begunAs: DiskSituation['mode']): DiskWatch {
  let mode = begunAs;
  let phase = watchPhase('disks', clock.now());
  let trend: DiskTrend | undefined;
  let first: { readonly atMs: number; readonly bytesDone: number } | undefined;
  const synchronise = (atMs: number) => {
    mode = 'synchronous';
    phase = watchAgain(phase, atMs);
    trend = undefined;
    first = undefined;
    return 'synchronise' as const;
  };
  return {
    inSync(verdict) {
      // What a synchronous mirror has left is being written at this moment: there is nothing better.
      if (verdict === 'start' || mode === 'synchronous') return 'start';
      return verdict === 'look' ? 'wait' : synchronise(clock.now());
    },
    look(mirrors) {
      const atMs = clock.now();
      // Before QEMU has looked at the whole disk, nothing is left to do.
      const isKnown = mirrors.every((mirror) => mirror.ready || mirror.bytesTotal > 0);
      const bytesDone = sum(mirrors.map((mirror) => mirror.bytesDone));
      const bytesRemaining = remainingBytes(mirrors);
      if (isKnown) {
        const reading = { atMs, bytesDone, bytesRemaining };
        first ??= reading;
        phase = observePhase(phase, reading);
        trend = trend === undefined ? startDiskTrend(reading) : observeDiskTrend(trend, reading, policy.settleMs);
      }
      const judgement = judge(policy, phase, atMs);
      const measure = nextDiskMeasure({ judgement, diverges: trend?.diverges ?? false, mode });
      if (measure === 'fail' && judgement !== 'on') {
        const bytesPerSecond = perSecond(first, { atMs, bytesDone });
        throw failure(
          diskFailure(
            explainJudgement(policy, phase, atMs, judgement),
            first === undefined ? {} : { bytesRemaining, bytesPerSecond },
            policy,
          ),
        );
      }
      return measure === 'synchronise' ? synchronise(atMs) : 'wait';
    },
  };
}

/** What is still to be copied, and what the guest has written since it was. */
export function remainingBytes(mirrors: readonly MirrorProgress[]): number {
  return sum(mirrors.map((mirror) => Math.max(0, mirror.bytesTotal - mirror.bytesDone)));
}

interface Point {
  readonly atMs: number;
  readonly bytesDone: number;
}

function perSecond(from: Point | undefined, to: Point): number | undefined {
  if (from === undefined || to.atMs <= from.atMs) return undefined;
  return Math.max(0, Math.round(((to.bytesDone - from.bytesDone) * 1000) / (to.atMs - from.atMs)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
