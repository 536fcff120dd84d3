import { findCondition } from '@godwit/api';
import type {
  MigrationSourceState,
  MigrationTargetState,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
} from '@godwit/api';
import { agentsEngaged } from '../migration/record.ts';
import { kindOf } from '../virt/facts.ts';

type Status = NonNullable<VirtualMachineInstance['status']>;

export interface Outgoing {
  readonly role: 'source' | 'target';
  readonly migrationId: string;
  /** Where the peer can be reached, best first: what it last reported, then what the user wrote. */
  readonly addresses: readonly string[];
  /** UID of the peer's migration object, once it has introduced itself. */
  readonly peerMigrationUid: string | undefined;
  readonly statusJson: string;
}

/** The target's half, with what its node agent has published in the flat members. */
function fullTarget(state: VmiMigrationState, ownAddress: string): MigrationTargetState {
  return {
    ...state.targetState,
    ...(state.targetNode ? { node: state.targetNode } : {}),
    ...(state.targetPod ? { pod: state.targetPod } : {}),
    ...(state.targetNodeAddress ? { nodeAddress: state.targetNodeAddress } : {}),
    ...(state.targetDirectMigrationNodePorts ? { directMigrationNodePorts: state.targetDirectMigrationNodePorts } : {}),
    ...(state.targetNodeDomainDetected ? { domainDetected: true } : {}),
    ...(state.targetNodeDomainReadyTimestamp ? { domainReadyTimestamp: state.targetNodeDomainReadyTimestamp } : {}),
    syncAddress: ownAddress,
  };
}

function distinct(addresses: readonly (string | undefined)[]): string[] {
  return [...new Set(addresses.filter((address): address is string => address !== undefined && address !== ''))];
}

/**
 * What this side has to tell the other about one migration; undefined while it has nothing to say or nobody to say it
 * to. Which side it is follows from the migration object alone. Only what the peer reads is sent.
 */
export function outgoing(
  migration: Stored<VirtualMachineInstanceMigration>,
  vmi: Pick<VirtualMachineInstance, 'status'> | undefined,
  ownAddress: string,
): Outgoing | undefined {
  const role = kindOf(migration);
  const state = vmi?.status?.migrationState;
  if (role === 'local' || !vmi || !state) return undefined;
  const own = role === 'source' ? state.sourceState : state.targetState;
  if (own?.migrationUID !== migration.metadata.uid) return undefined;
  const peer = role === 'source' ? state.targetState : state.sourceState;
  const addresses = distinct([peer?.syncAddress, migration.spec.sendTo?.connectURL]);
  if (addresses.length === 0) return undefined;
  const sourceState: MigrationSourceState = {
    ...state.sourceState,
    ...(role === 'source' ? { syncAddress: ownAddress } : {}),
  };
  const targetState: MigrationTargetState =
    role === 'target' ? fullTarget(state, ownAddress) : { ...state.targetState };
  const status: Status = {
    ...(vmi.status?.phase === undefined ? {} : { phase: vmi.status.phase }),
    ...(vmi.status?.nodeName === undefined ? {} : { nodeName: vmi.status.nodeName }),
    migrationMethod: vmi.status?.migrationMethod ?? 'BlockMigration',
    migrationTransport: vmi.status?.migrationTransport ?? 'Unix',
    ...(vmi.status?.migratedVolumes ? { migratedVolumes: vmi.status.migratedVolumes } : {}),
    migrationState: { ...state, sourceState, targetState },
  };
  // Beside what KubeVirt says, which ignores it.
  const verification = role === 'source' ? migration.status?.verification : undefined;
  return {
    role,
    migrationId: migration.spec.sendTo?.migrationID ?? migration.spec.receive?.migrationID ?? '',
    addresses,
    peerMigrationUid: peer?.migrationUID,
    statusJson: JSON.stringify(verification ? { ...status, verification } : status),
  };
}

/**
 * What is left to tell when the VMI went, and its record with it, before the other cluster could hear that the migration has
 * failed: it would wait for this one. `last`: the record as it was. Once node agents are engaged only they say how it ended.
 */
export function farewell(
  migration: Stored<VirtualMachineInstanceMigration>,
  last: VmiMigrationState | undefined,
  ownAddress: string,
): Outgoing | undefined {
  if (migration.status?.phase !== 'Failed' || last === undefined) return undefined;
  if (agentsEngaged(last) && last.failed !== true) return undefined;
  const failure = findCondition(migration.status.conditions, 'migrationFailed');
  const migrationState: VmiMigrationState = {
    ...last,
    completed: true,
    failed: true,
    failureReason: failure?.message ?? 'The migration has failed',
    ...(failure?.lastTransitionTime ? { endTimestamp: failure.lastTransitionTime } : {}),
  };
  return outgoing(migration, { status: { migrationState } }, ownAddress);
}
