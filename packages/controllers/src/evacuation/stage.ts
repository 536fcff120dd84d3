import { findCondition, isFalse, isTrue } from '@godwit/api';
import { recentFailures } from '../migration/backoff.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { maxAttempts } from '../workload-update/decide.ts';
import type { SeenGuest } from './seen.ts';

/** From the last failure of an evacuation that was given up to its next attempt: what hindered it may be gone by then. */
const GIVEN_UP_MS = 600_000;

/** What becomes of a guest that is to leave: a migration now, or why none. */
export interface Stage {
  readonly message: string;
  readonly create?: true;
  /** Given up for the time being: the reason of a condition, what happened, and what can be done. */
  readonly failed?: { readonly reason: string; readonly why: string; readonly remedy: string };
  readonly event?: 'MigrationBackoff';
  readonly requeueAfterMs?: number;
}

/** What failed since it was wished, and since another node came that could take the guest in, if that is too much. */
function givenUp(seen: SeenGuest, wishedSinceMs: number, nowMs: number): Stage | undefined {
  const finished = seen.migrations.filter(isFinalMigration);
  const tried = recentFailures(finished, nowMs, { sinceMs: Math.max(wishedSinceMs, seen.otherNodeSinceMs) });
  if (tried.count < maxAttempts && !tried.lastClass?.permanent) return undefined;
  const againMs = tried.lastMs + GIVEN_UP_MS;
  if (nowMs >= againMs) return undefined;
  const attempts = tried.count === 1 ? 'A migration' : `${tried.count} migrations`;
  const again = new Date(againMs).toISOString();
  return {
    message: 'VMI is marked for eviction, which was given up for the time being',
    failed: {
      reason: tried.lastClass?.permanent ? tried.lastClass.name : 'RetriesExhausted',
      why: `${attempts} failed, the last with: ${tried.lastReason ?? 'no reason given'}`,
      remedy: `It is tried again at ${again}, or when another node becomes ready; once the cause is removed, delete the failed migrations to have it tried at once. Uncordon the node to keep the guest there, or shut the VM down`,
    },
    requeueAfterMs: againMs - nowMs,
  };
}

/** For a guest that is to leave its node by our work, `wishedSinceMs` ago. */
export function stageOf(seen: SeenGuest, wishedSinceMs: number, nowMs: number): Stage {
  const { vmi, node, migrations } = seen;
  const conditions = vmi.status?.conditions;
  const unfinished = migrations.find((one) => !isFinalMigration(one));
  if (unfinished) {
    const inPlace = unfinished.status?.migrationState?.method === 'InPlace';
    const what = inPlace ? 'moves its volumes in place first; it leaves the node after that' : 'moves it';
    return { message: `VMI is marked for eviction; migration ${unfinished.metadata.name} ${what}` };
  }
  if (!isTrue(conditions, 'LiveMigratable')) {
    const why = findCondition(conditions, 'LiveMigratable');
    return {
      message: isFalse(conditions, 'LiveMigratable')
        ? `VMI is marked for eviction, but cannot be live-migrated: ${why?.reason ?? ''}: ${why?.message ?? ''}`
        : 'VMI is marked for eviction; waits to know whether it can be live-migrated',
    };
  }
  if (node && !isTrue(node.status?.conditions, 'Ready'))
    return {
      message: `VMI is marked for eviction; waits for node ${node.metadata.name} to be ready, which has its guest`,
    };
  const hopeless = givenUp(seen, wishedSinceMs, nowMs);
  if (hopeless) return hopeless;
  const { count, delayMs, lastReason } = recentFailures(migrations.filter(isFinalMigration), nowMs, {
    record: vmi.status?.migrationState,
  });
  if (delayMs > 0) {
    return {
      message: `VMI is marked for eviction; migration failed ${count === 1 ? 'once' : `${count} times`}, the last time with: ${lastReason ?? 'no reason given'}; tries again`,
      event: 'MigrationBackoff',
      requeueAfterMs: delayMs,
    };
  }
  if (seen.underway >= seen.most)
    return { message: 'VMI is marked for eviction; waits for others that leave the node before it' };
  return { message: 'VMI is marked for eviction', create: true };
}
