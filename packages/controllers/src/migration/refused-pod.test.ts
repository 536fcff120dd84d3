import { findCondition } from '@godwit/api';
import { expect, it } from 'vitest';
import { storedMigration } from '../virt/testing/objects.ts';
import { decideMigration } from './decide.ts';
import { conditionsOfRefusal, quotaCondition, refusedAgainMs } from './refused-pod.ts';
import type { Migration } from './seen.ts';
import { createdMs, seenMigration } from './testing/seen.ts';

const fresh = storedMigration('m', { phase: 'Pending' });

/** What is stored of the migration after its pod was refused at `nowMs`. */
function refusedAt(migration: Migration, why: string, nowMs: number): Migration {
  const { next } = decideMigration(seenMigration({ migration }), nowMs);
  const conditions = [...conditionsOfRefusal(migration, next.status?.conditions ?? [], why, nowMs)];
  return { ...next, status: { ...next.status, conditions } };
}

const decideAt = (migration: Migration, nowMs: number) => decideMigration(seenMigration({ migration }), nowMs).next;

it('gives up a quarter of an hour after the first refusal, with what it was', () => {
  let migration = refusedAt(fresh, 'denied by policy', createdMs + 3_600_000);
  migration = refusedAt(migration, 'denied by another policy', createdMs + 3_600_000 + 800_000);
  expect(decideAt(migration, createdMs + 3_600_000 + 899_000).status?.phase).toBe('Pending');
  const { status } = decideAt(migration, createdMs + 3_600_000 + 901_000);
  expect(status?.phase).toBe('Failed');
  expect(findCondition(status?.conditions, 'migrationFailed')).toMatchObject({
    reason: 'TargetPodRefused',
    message: expect.stringMatching(/denied by another policy; gave up after 900 s/),
  });
});

it('obeys the annotation that sets the limit', () => {
  const annotations = { 'kubevirt.io/migrationPendingPodTimeoutSeconds': '20' };
  const migration = refusedAt(storedMigration('m', { phase: 'Pending', annotations }), 'denied', createdMs);
  expect(decideAt(migration, createdMs + 21_000).status?.phase).toBe('Failed');
});

it('waits for quota as long as it takes, and says no longer that this is why when it is not [SLM 50]', () => {
  const forQuota = refusedAt(fresh, 'exceeded quota: small', createdMs);
  expect(findCondition(forQuota.status?.conditions, quotaCondition)?.status).toBe('True');
  expect(decideAt(forQuota, createdMs + 3_600_000).status?.phase).toBe('Pending');
  const denied = refusedAt(forQuota, 'denied', createdMs + 3_600_000);
  expect(findCondition(denied.status?.conditions, quotaCondition)).toBeUndefined();
  expect(decideAt(denied, createdMs + 3_610_000).status?.phase).toBe('Pending');
});

it('is tried again soon, and less often once that has come to nothing for a minute', () => {
  expect(refusedAgainMs(fresh, createdMs)).toBe(2_000);
  const refused = refusedAt(fresh, 'denied', createdMs);
  expect(refusedAgainMs(refused, createdMs + 59_000)).toBe(2_000);
  expect(refusedAgainMs(refused, createdMs + 61_000)).toBe(10_000);
});
