import { findCondition, withCondition, withoutCondition } from '@godwit/api';
import type { Condition } from '@godwit/api';
import { fail } from './seen.ts';
import type { Migration, SeenMigration, Step } from './seen.ts';
import { limitOf, timeoutAnnotations, waitingSince } from './timing.ts';

/** KubeVirt's condition of a migration whose namespace has no room for a second pod. */
export const quotaCondition = 'migrationRejectedByResourceQuota';
const reason = 'FailedCreate';

const AGAIN_MS = { first: 2_000, later: 10_000 };
const LATER_MS = 60_000;

/** What a migration says of a target pod that the API server does not let in: why, and since when. */
export function conditionsOfRefusal(
  migration: Migration,
  planned: readonly Condition[],
  why: string,
  nowMs: number,
): readonly Condition[] {
  const message = `The target pod could not be created: ${why}`;
  const isQuota = why.includes('exceeded quota');
  const before = findCondition(migration.status?.conditions, 'migrationWaiting');
  const same = before?.reason === reason && isQuota === waitsForQuota(migration);
  const others = withoutCondition(planned, 'migrationWaiting');
  const waiting = withCondition(
    same ? [...others, before] : others,
    { type: 'migrationWaiting', status: 'True', reason, message },
    nowMs,
  );
  return isQuota
    ? withCondition(waiting, { type: quotaCondition, status: 'True', reason: 'ExceededQuota', message }, nowMs)
    : withoutCondition(waiting, quotaCondition);
}

function waitsForQuota({ status }: Migration): boolean {
  return findCondition(status?.conditions, quotaCondition)?.status === 'True';
}

/** When to try again: soon at first, since much is over in a moment. */
export function refusedAgainMs(migration: Migration, nowMs: number): number {
  return nowMs - (waitingSince(migration, reason) ?? nowMs) < LATER_MS ? AGAIN_MS.first : AGAIN_MS.later;
}

/** A refusal does not pass by itself, but for want of quota, of which others give back what they hold. */
export function refusedTooLong({ migration, timeouts }: SeenMigration, nowMs: number): Step | undefined {
  const since = waitingSince(migration, reason);
  if (since === undefined || waitsForQuota(migration)) return undefined;
  const limitMs = limitOf(migration, timeoutAnnotations.pendingPod, timeouts.pendingPodMs);
  if (nowMs - since < limitMs) return undefined;
  const why = findCondition(migration.status?.conditions, 'migrationWaiting')?.message ?? '';
  return fail('TargetPodRefused', `${why}; gave up after ${limitMs / 1000} s`);
}
