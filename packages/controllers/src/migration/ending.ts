import { names } from '@godwit/api';
import type { Pod, Stored } from '@godwit/api';
import { isUnderway, kindOf } from '../virt/facts.ts';
import { tidied } from './handed-off.ts';
import { agentsEngaged, closedRecord, ownRecord, withRecord } from './record.ts';
import type { Instance, Migration, SeenMigration } from './seen.ts';

/** Finished migrations kept per VMI, as KubeVirt keeps them. */
const KEPT = 5;

/** The VMI without what a failed migration left on it. Undefined when there is nothing to take off. */
export function afterFailure(seen: SeenMigration, message: string, nowMs: number): Instance | undefined {
  const { vmi, migration } = seen;
  const state = ownRecord(seen);
  if (!vmi || !state) return undefined;
  // Between clusters only the node agents may call an engaged migration failed: the peer acts on it.
  if (kindOf(migration) !== 'local' && agentsEngaged(state) && !state.failed) return undefined;
  let next = vmi;
  if (!state.completed || !state.failed) next = withRecord(next, closedRecord(state, migration, message, false, nowMs));
  // Across clusters the list was made by this migration alone, and the guest stays where its claims are.
  if (kindOf(migration) === 'source' && (vmi.status?.migratedVolumes ?? []).length > 0) next = tidied(next);
  return next === vmi ? undefined : next;
}

export interface Cleanup {
  readonly vmi?: Instance;
  readonly deletePods: readonly Stored<Pod>[];
  readonly forget: readonly Migration[];
}

function losingPod(seen: SeenMigration): Stored<Pod> | undefined {
  const { migration, pods, targetPod, vmi } = seen;
  if (migration.status?.phase === 'Failed') return targetPod;
  const state = ownRecord(seen) ?? migration.status?.migrationState;
  if (kindOf(migration) !== 'local' || state?.method === 'InPlace' || vmi?.status?.nodeName !== state?.targetNode)
    return undefined;
  return pods.find((pod) => pod.metadata.name === state?.sourcePod && pod.metadata.name !== state?.targetPod);
}

function endOf(migration: Migration): string {
  const final = migration.status?.phaseTransitionTimestamps?.find(
    ({ phase }) => phase === 'Succeeded' || phase === 'Failed',
  );
  return final?.phaseTransitionTimestamp ?? migration.metadata.creationTimestamp;
}

/** What remains to be done once a migration is final: the losing pod, the label, and objects beyond those kept. */
export function decideCleanup(seen: SeenMigration): Cleanup {
  const { vmi, migration, finished } = seen;
  const pod = losingPod(seen);
  const state = vmi?.status?.migrationState;
  const labels = vmi?.metadata.labels ?? {};
  const ours = state?.migrationUid === migration.metadata.uid;
  let next = vmi;
  if (next && labels[names.migrationTargetNodeLabel] !== undefined && ours && !isUnderway(state)) {
    const { [names.migrationTargetNodeLabel]: _gone, ...rest } = labels;
    next = { ...next, metadata: { ...next.metadata, labels: rest } };
  }
  const all = [migration, ...finished].toSorted((a, b) =>
    endOf(a) < endOf(b) ? 1 : endOf(a) > endOf(b) ? -1 : a.metadata.name < b.metadata.name ? 1 : -1,
  );
  const forget = all.slice(KEPT).filter((one) => one.metadata.deletionTimestamp === undefined);
  const deletePods = pod && pod.metadata.deletionTimestamp === undefined ? [pod] : [];
  return { ...(next && next !== vmi ? { vmi: next } : {}), deletePods, forget };
}
