import { findCondition } from '@godwit/api';
import type { Stored, VirtualMachineInstanceMigration, VmiMigrationState } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { classOf, classOfRecord } from './failures.ts';
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

export interface FailuresOptions {
  /** Leaves out those of an earlier wish. */
  readonly sinceMs?: number;
  /** The VMI's: a migration that was cancelled by deleting its object is known by it alone. */
  readonly record?: VmiMigrationState | undefined;
}

/** Failed migrations of one VMI since the last one that succeeded. */
export function recentFailures(
  finished: readonly Stored<VirtualMachineInstanceMigration>[],
  nowMs: number,
  { sinceMs = 0, record }: FailuresOptions = {},
): Failures {
  const attempts = [...finished.map(attemptOf), ...attemptWithoutObject(finished, record)].toSorted(
    (a, b) => b.endedMs - a.endedMs,
  );
  const success = attempts.findIndex((attempt) => !attempt.failed);
  const failed = (success < 0 ? attempts : attempts.slice(0, success)).filter(({ endedMs }) => endedMs >= sinceMs);
  const last = failed[0];
  if (!last) return { count: 0, delayMs: 0, lastMs: 0, lastReason: undefined, lastClass: undefined };
  const delay = backoffMs(failed.length - 1, FIRST_DELAY_MS, LONGEST_DELAY_MS);
  return {
    count: failed.length,
    delayMs: Math.max(0, last.endedMs + delay - nowMs),
    lastMs: last.endedMs,
    lastReason: last.reason,
    lastClass: last.failure,
  };
}

interface Attempt {
  readonly endedMs: number;
  readonly failed: boolean;
  readonly reason: string | undefined;
  readonly failure: FailureClass;
}

function attemptOf(vmim: Stored<VirtualMachineInstanceMigration>): Attempt {
  const { status } = vmim;
  return {
    endedMs: endedAt(vmim),
    failed: status?.phase === 'Failed',
    reason: status?.migrationState?.failureReason ?? findCondition(status?.conditions, 'migrationFailed')?.message,
    failure: classOf(vmim),
  };
}

function attemptWithoutObject(
  finished: readonly Stored<VirtualMachineInstanceMigration>[],
  record: VmiMigrationState | undefined,
): Attempt[] {
  if (
    !record?.failed ||
    !record.abortRequested ||
    finished.some(({ metadata }) => metadata.uid === record.migrationUid)
  )
    return [];
  return [
    {
      endedMs: Date.parse(record.endTimestamp ?? '') || 0,
      failed: true,
      reason: record.failureReason,
      failure: classOfRecord(record),
    },
  ];
}
