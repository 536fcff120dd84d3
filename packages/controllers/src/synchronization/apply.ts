import type {
  StorageMigratedVolumeInfo,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
} from '@godwit/api';
import { agentsEngaged, closedRecord } from '../migration/record.ts';
import { isFinalMigration } from '../virt/facts.ts';
import type { PeerStatus } from './read-status.ts';

type Instance = Stored<VirtualMachineInstance>;
type Migration = Stored<VirtualMachineInstanceMigration>;

/** `late`: repeated news, or news about another or a finished attempt; answered as success and dropped. */
export type Applied =
  | { readonly verdict: 'apply'; readonly vmi: Instance }
  | { readonly verdict: 'late' }
  | { readonly verdict: 'refuse'; readonly message: string };

function refuse(message: string): Applied {
  return { verdict: 'refuse', message };
}

function isLate(vmi: Instance, migration: Migration): boolean {
  const state = vmi.status?.migrationState;
  if (isFinalMigration(migration)) return true;
  if (state?.migrationUid !== undefined && state.migrationUid !== migration.metadata.uid) return true;
  return state?.completed === true;
}

function pick<K extends keyof VmiMigrationState>(
  from: VmiMigrationState,
  keys: readonly K[],
): Pick<VmiMigrationState, K> {
  // The cast is safe: only members that exist are copied, and all of them are optional.
  return Object.fromEntries(
    keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])),
  ) as unknown as Pick<VmiMigrationState, K>;
}

/** Own targets stay, the source's facts are taken over; volumes only the source has are shown, so that they can be missed. */
function mergeOnTarget(
  own: readonly StorageMigratedVolumeInfo[],
  told: readonly StorageMigratedVolumeInfo[],
): StorageMigratedVolumeInfo[] {
  const ours = own.filter((volume) => volume.destinationPVCInfo);
  const merged = ours.map((volume) => {
    const source = told.find((one) => one.volumeName === volume.volumeName)?.sourcePVCInfo;
    return source ? { ...volume, sourcePVCInfo: source } : volume;
  });
  const known = new Set(ours.map((volume) => volume.volumeName));
  const strange = told.filter((one) => !known.has(one.volumeName));
  return [
    ...merged,
    ...strange.map(({ volumeName, sourcePVCInfo }) => ({ volumeName, ...(sourcePVCInfo ? { sourcePVCInfo } : {}) })),
  ];
}

function mergeOnSource(
  own: readonly StorageMigratedVolumeInfo[],
  told: readonly StorageMigratedVolumeInfo[],
): StorageMigratedVolumeInfo[] {
  return own.map((volume) => {
    const destination = told.find((one) => one.volumeName === volume.volumeName)?.destinationPVCInfo;
    return destination ? { ...volume, destinationPVCInfo: destination } : volume;
  });
}

const ENDING = ['failed', 'completed', 'endTimestamp', 'failureReason', 'abortStatus'] as const;

/** The receiving VMI after news from the source. */
export function applySourceNews(vmi: Instance, migration: Migration, news: PeerStatus): Applied {
  const { source } = news;
  if (!source?.migrationUID) return refuse('the status has no sourceState.migrationUID');
  if (isLate(vmi, migration)) return { verdict: 'late' };
  const state = vmi.status?.migrationState ?? {};
  const known = state.sourceState?.migrationUID;
  if (known !== undefined && known !== source.migrationUID && agentsEngaged(state)) {
    return refuse(`migration ID is in use by the source migration ${known}`);
  }
  // A failure of the source counts only as long as the guest has not been seen here.
  const lost =
    news.state.failed === true && news.state.completed === true && state.targetNodeDomainReadyTimestamp === undefined;
  const next: VmiMigrationState = {
    ...state,
    sourceState: source,
    ...pick(news.state, ['sourceNode', 'sourcePod', 'startTimestamp']),
    ...(lost ? pick(news.state, ENDING) : {}),
  };
  const applied: Instance = {
    ...vmi,
    status: {
      ...vmi.status,
      migrationState: next,
      ...(news.method ? { migrationMethod: news.method } : {}),
      ...(news.transport ? { migrationTransport: news.transport } : {}),
      ...(news.volumes.length > 0 && !agentsEngaged(state)
        ? { migratedVolumes: mergeOnTarget(vmi.status?.migratedVolumes ?? [], news.volumes) }
        : {}),
    },
  };
  return { verdict: 'apply', vmi: applied };
}

const PLAIN_REFUSED =
  'The target cluster wants the data unencrypted (disableTLS), which this cluster does not allow; set it in the KubeVirt object here as well, or take it away there';

/** What this cluster itself says about a move to another one. */
export interface OwnRules {
  /** Its own KubeVirt object switches TLS off: a peer alone cannot. */
  readonly plainAllowed: boolean;
  readonly nowMs: number;
}

/** The sending VMI after news from the target. */
export function applyTargetNews(vmi: Instance, migration: Migration, news: PeerStatus, own: OwnRules): Applied {
  const { target } = news;
  if (!target?.migrationUID) return refuse('the status has no targetState.migrationUID');
  if (isLate(vmi, migration)) return { verdict: 'late' };
  const state = vmi.status?.migrationState ?? {};
  const known = state.targetState?.migrationUID;
  if (known !== undefined && known !== target.migrationUID && agentsEngaged(state)) {
    return refuse(`migration ID is in use by the target migration ${known}`);
  }
  const plainRefused = news.state.migrationConfiguration?.disableTLS === true && !own.plainAllowed;
  const syncAddress = target.syncAddress ?? state.targetState?.syncAddress;
  const next: VmiMigrationState = {
    ...state,
    targetState: { ...target, ...(syncAddress === undefined ? {} : { syncAddress }) },
    ...pick(news.state, [
      'targetNode',
      'targetPod',
      'targetNodeAddress',
      'targetDirectMigrationNodePorts',
      'targetNodeDomainDetected',
      'targetNodeDomainReadyTimestamp',
      'targetAttachmentPodUID',
      'migrationPolicyName',
    ]),
    ...(plainRefused ? {} : pick(news.state, ['migrationConfiguration'])),
    ...(news.state.completed || news.state.failed
      ? pick(news.state, ['completed', 'failed', 'endTimestamp', 'failureReason'])
      : {}),
  };
  const volumes = vmi.status?.migratedVolumes ?? [];
  // A copy that has begun did so with the options of before.
  const refused = plainRefused && state.startTimestamp === undefined;
  const applied: Instance = {
    ...vmi,
    status: {
      ...vmi.status,
      migrationState: refused ? closedRecord(next, migration, PLAIN_REFUSED, false, own.nowMs) : next,
      ...(volumes.length > 0 && news.volumes.length > 0 && !agentsEngaged(state)
        ? { migratedVolumes: mergeOnSource(volumes, news.volumes) }
        : {}),
    },
  };
  return { verdict: 'apply', vmi: applied };
}
