import type {
  MigrationConfiguration,
  MigrationSideState,
  MigrationSourceState,
  MigrationTargetState,
  MigrationVerification,
  PersistentVolumeClaimInfo,
  StorageMigratedVolumeInfo,
  VmiMigrationState,
} from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { readVerification } from './read-verification.ts';

/** What a peer has told, reduced to the members this side understands, each of the type it should have. */
export interface PeerStatus {
  readonly state: VmiMigrationState;
  readonly source: MigrationSourceState | undefined;
  readonly target: MigrationTargetState | undefined;
  readonly volumes: readonly StorageMigratedVolumeInfo[];
  readonly method: 'BlockMigration' | 'LiveMigration' | undefined;
  readonly transport: string | undefined;
  /** Godwit's own: what the source has found when the disks were compared. */
  readonly verification: MigrationVerification | undefined;
}

type Bag = Record<string, unknown>;

function strings<K extends string>(from: Bag, keys: readonly K[]): Partial<Record<K, string>> {
  const found: Partial<Record<K, string>> = {};
  for (const key of keys) if (typeof from[key] === 'string' && from[key] !== '') found[key] = from[key];
  return found;
}

function flags<K extends string>(from: Bag, keys: readonly K[]): Partial<Record<K, boolean>> {
  const found: Partial<Record<K, boolean>> = {};
  for (const key of keys) if (typeof from[key] === 'boolean') found[key] = from[key];
  return found;
}

function mapOf<V>(value: unknown, is: (one: unknown) => one is V): Record<string, V> | undefined {
  if (!isObject(value)) return undefined;
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, V] => is(entry[1])));
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isChannel = (value: unknown): value is number => value === 0 || value === 49152 || value === 49153;

const SIDE = [
  'node',
  'pod',
  'migrationUID',
  'domainName',
  'domainNamespace',
  'syncAddress',
  'selinuxContext',
  'persistentStatePVCName',
  'virtualMachineInstanceUID',
] as const;

function side(value: unknown): MigrationSideState | undefined {
  return isObject(value) ? strings(value, SIDE) : undefined;
}

function sourceSide(value: unknown): MigrationSourceState | undefined {
  const base = side(value);
  const nodeSelectors = isObject(value) ? mapOf(value['nodeSelectors'], isText) : undefined;
  return base && { ...base, ...(nodeSelectors ? { nodeSelectors } : {}) };
}

function targetSide(value: unknown): MigrationTargetState | undefined {
  const base = side(value);
  if (!base || !isObject(value)) return undefined;
  const ports = mapOf(value['directMigrationNodePorts'], isChannel);
  return {
    ...base,
    ...strings(value, ['nodeAddress', 'domainReadyTimestamp', 'attachmentPodUID']),
    ...flags(value, ['domainDetected']),
    ...(ports ? { directMigrationNodePorts: ports } : {}),
  };
}

function claim(value: unknown): PersistentVolumeClaimInfo | undefined {
  if (!isObject(value)) return undefined;
  const storage = (member: unknown): { storage: string } | undefined =>
    isObject(member) && typeof member['storage'] === 'string' ? { storage: member['storage'] } : undefined;
  const requests = storage(value['requests']);
  const capacity = storage(value['capacity']);
  const modes = Array.isArray(value['accessModes']) ? value['accessModes'].filter(isText) : undefined;
  const mode = value['volumeMode'];
  return {
    ...strings(value, ['claimName', 'filesystemOverhead']),
    // The cast is safe enough: access modes of a peer are shown, never acted upon.
    ...(modes ? { accessModes: modes as NonNullable<PersistentVolumeClaimInfo['accessModes']> } : {}),
    ...(mode === 'Block' || mode === 'Filesystem' ? { volumeMode: mode } : {}),
    ...(requests ? { requests } : {}),
    ...(capacity ? { capacity } : {}),
  };
}

function volumesOf(value: unknown): StorageMigratedVolumeInfo[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: unknown) => {
    if (!isObject(one) || typeof one['volumeName'] !== 'string' || one['volumeName'] === '') return [];
    const sourcePVCInfo = claim(one['sourcePVCInfo']);
    const destinationPVCInfo = claim(one['destinationPVCInfo']);
    return [
      {
        volumeName: one['volumeName'],
        ...(sourcePVCInfo ? { sourcePVCInfo } : {}),
        ...(destinationPVCInfo ? { destinationPVCInfo } : {}),
      },
    ];
  });
}

const STATE_TEXTS = [
  'sourceNode',
  'sourcePod',
  'targetNode',
  'targetPod',
  'targetNodeAddress',
  'targetNodeDomainReadyTimestamp',
  'targetAttachmentPodUID',
  'startTimestamp',
  'endTimestamp',
  'failureReason',
  'migrationPolicyName',
  'migrationUid',
] as const;

function stateOf(value: Bag): VmiMigrationState {
  const ports = mapOf(value['targetDirectMigrationNodePorts'], isChannel);
  const configuration = value['migrationConfiguration'];
  const abort = value['abortStatus'];
  return {
    ...strings(value, STATE_TEXTS),
    ...flags(value, ['completed', 'failed', 'abortRequested', 'targetNodeDomainDetected']),
    ...(abort === 'Aborting' || abort === 'Succeeded' || abort === 'Failed' ? { abortStatus: abort } : {}),
    ...(ports ? { targetDirectMigrationNodePorts: ports } : {}),
    // The cast is safe: options are read member by member, with defaults for what makes no sense.
    ...(isObject(configuration) ? { migrationConfiguration: configuration as MigrationConfiguration } : {}),
  };
}

/** Reads a peer's VMI status; a text says what is wrong with it. Unknown members are ignored. */
export function readStatus(json: string): PeerStatus | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return 'the VMI status is not JSON';
  }
  if (!isObject(parsed)) return 'the VMI status is not an object';
  const state = parsed['migrationState'];
  if (!isObject(state)) return 'the VMI status has no migrationState';
  const method = parsed['migrationMethod'];
  return {
    state: stateOf(state),
    source: sourceSide(state['sourceState']),
    target: targetSide(state['targetState']),
    volumes: volumesOf(parsed['migratedVolumes']),
    method: method === 'BlockMigration' || method === 'LiveMigration' ? method : undefined,
    transport: typeof parsed['migrationTransport'] === 'string' ? parsed['migrationTransport'] : undefined,
    verification: readVerification(parsed['verification']),
  };
}
