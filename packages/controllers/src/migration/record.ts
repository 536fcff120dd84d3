import { claimsMovedTo, names } from '@godwit/api';
import type { Pod, Stored, VmiMigrationState } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { kindOf } from '../virt/facts.ts';
import type { Instance, Migration, SeenMigration } from './seen.ts';

/** The VMI's record if it is about this migration. */
export function ownRecord({ migration, vmi }: SeenMigration): VmiMigrationState | undefined {
  const state = vmi?.status?.migrationState;
  if (!state) return undefined;
  const kind = kindOf(migration);
  const { uid } = migration.metadata;
  if (state.migrationUid !== undefined) return state.migrationUid === uid ? state : undefined;
  // Before the hand-off only the two sides' states say whose record this is.
  if (kind === 'source') return state.sourceState?.migrationUID === uid ? state : undefined;
  if (kind === 'target') return state.targetState?.migrationUID === uid ? state : undefined;
  return undefined;
}

export function withRecord(vmi: Instance, migrationState: VmiMigrationState): Instance {
  return { ...vmi, status: { ...vmi.status, migrationState } };
}

/** The VMI handed over to the node agents: one record with every field of this migration and none of an earlier one. */
export function handOver(
  seen: SeenMigration,
  vmi: Instance,
  source: Stored<Pod>,
  target: Stored<Pod> | 'InPlace',
): Instance {
  const { migration, configuration, policyName } = seen;
  const inPlace = target === 'InPlace';
  const pod = inPlace ? source : target;
  const node = pod.spec.nodeName ?? '';
  const volumes = vmi.status?.migratedVolumes ?? [];
  const moved = claimsMovedTo(vmi.status?.migrationState);
  const left = volumes.filter((one) => moved.get(one.volumeName) === one.destinationPVCInfo?.claimName);
  const state: VmiMigrationState = {
    migrationUid: migration.metadata.uid,
    sourceNode: source.spec.nodeName ?? '',
    sourcePod: source.metadata.name,
    targetNode: node,
    targetPod: pod.metadata.name,
    migrationConfiguration: { ...configuration },
    ...(policyName === undefined ? {} : { migrationPolicyName: policyName }),
    ...(inPlace ? { method: 'InPlace' as const } : {}),
    // Frozen here: a job that runs never depends on what somebody edits later.
    ...(volumes.length > 0 ? { volumes: structuredClone(volumes) } : {}),
    // What an earlier attempt has left on the destination is there whatever becomes of this one.
    ...(left.length > 0 ? { movedVolumes: left.map((one) => one.volumeName) } : {}),
  };
  return labelled(withRecord(vmi, state), node);
}

export function labelled(vmi: Instance, node: string): Instance {
  return {
    ...vmi,
    metadata: { ...vmi.metadata, labels: { ...vmi.metadata.labels, [names.migrationTargetNodeLabel]: node } },
  };
}

/** The record closed as failed by the controller: only while no node agent can have begun. */
export function closedRecord(
  state: VmiMigrationState,
  migration: Migration,
  reason: string,
  aborted: boolean,
  nowMs: number,
): VmiMigrationState {
  return {
    ...state,
    migrationUid: state.migrationUid ?? migration.metadata.uid,
    completed: true,
    failed: true,
    endTimestamp: state.endTimestamp ?? rfc3339(nowMs),
    failureReason: state.failureReason ?? reason,
    ...(aborted ? { abortRequested: true, abortStatus: 'Succeeded' as const } : {}),
  };
}

/** The agents have been told where to connect (or need not be): from then on only they may end the migration. */
export function agentsEngaged(state: VmiMigrationState): boolean {
  return (
    state.startTimestamp !== undefined ||
    state.method === 'InPlace' ||
    state.targetNodeAddress !== undefined ||
    state.targetState?.nodeAddress !== undefined
  );
}
