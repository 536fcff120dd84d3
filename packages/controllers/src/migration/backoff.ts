import type { Stored, VirtualMachineInstanceMigration } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { classOf } from './failures.ts';
import type { FailureClass } from './failures.ts';

const FIRST_DELAY_MS = 20_000;
/** With five finished migrations kept, the delay never grows beyond this anyway. */
const LONGEST_DELAY_MS = 320_000;

function endedAt(vmim: VirtualMachineInstanceMigration): number {
  const final = vmim.status?.phaseTransitionTimestamps?.find(
    ({ phase }) => phase === 'Failed' || phase === 'Succeeded',
  );
  return Date.parse(final?.phaseTransitionTimestamp ?? vmim.metadata.creationTimestamp ?? '') || 0;
}

export interface Failures {
  readonly count: number;
  /** Milliseconds until the next automatic attempt may start; 0 when it may now. */
  readonly delayMs: number;
  /** When the last failure was, in epoch milliseconds; 0 without one. */
  readonly lastMs: number;
  readonly lastReason: string | undefined;
  /** Of the last failure. */
  readonly lastClass: FailureClass | undefined;
}

/** Failed migrations of one VMI since the last one that succeeded. `sinceMs` leaves out those of an earlier wish. */
export function recentFailures(
  finished: readonly Stored<VirtualMachineInstanceMigration>[],
  nowMs: number,
  sinceMs = 0,
): Failures {
  const ordered = finished.toSorted((a, b) => endedAt(b) - endedAt(a));
  const success = ordered.findIndex((vmim) => vmim.status?.phase === 'Succeeded');
  const failed = (success < 0 ? ordered : ordered.slice(0, success)).filter(
    (vmim) => vmim.status?.phase === 'Failed' && endedAt(vmim) >= sinceMs,
  );
  const last = failed[0];
  if (!last) return { count: 0, delayMs: 0, lastMs: 0, lastReason: undefined, lastClass: undefined };
  const delay = backoffMs(failed.length - 1, FIRST_DELAY_MS, LONGEST_DELAY_MS);
  return {
    count: failed.length,
    delayMs: Math.max(0, endedAt(last) + delay - nowMs),
    lastMs: endedAt(last),
    lastReason:
      last.status?.migrationState?.failureReason ??
      last.status?.conditions?.find((condition) => condition.type === 'migrationFailed')?.message,
    lastClass: classOf(last),
  };
}
