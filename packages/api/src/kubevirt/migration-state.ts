import type { StorageMigratedVolumeInfo } from './migrated-volumes.ts';

export interface MigrationSideState {
  node?: string;
  pod?: string;
  migrationUID?: string;
  domainName?: string;
  domainNamespace?: string;
  syncAddress?: string;
  persistentStatePVCName?: string;
  selinuxContext?: string;
  virtualMachineInstanceUID?: string;
}

export interface MigrationSourceState extends MigrationSideState {
  nodeSelectors?: Record<string, string>;
}

export interface MigrationTargetState extends MigrationSideState {
  domainReadyTimestamp?: string;
  domainDetected?: boolean;
  nodeAddress?: string;
  /** TCP port on the target node to channel: 0 control, 49152 memory, 49153 block. */
  directMigrationNodePorts?: Record<string, number>;
  attachmentPodUID?: string;
}

/** Effective options of one migration: KubeVirt's `MigrationConfiguration`. */
export interface MigrationConfiguration {
  parallelMigrationsPerCluster?: number;
  parallelOutboundMigrationsPerNode?: number;
  bandwidthPerMigration?: string;
  completionTimeoutPerGiB?: number;
  progressTimeout?: number;
  maxDowntimeMs?: number;
  allowAutoConverge?: boolean;
  allowPostCopy?: boolean;
  allowWorkloadDisruption?: boolean;
  unsafeMigrationOverride?: boolean;
  disableTLS?: boolean;
  network?: string;
  nodeDrainTaintKey?: string;
  matchSELinuxLevelOnMigration?: boolean;
  utilityVolumesTimeout?: number;
  /** From a MigrationPolicy only. */
  experimental?: { downtimeTuning?: DowntimeTuning };
}

/** KubeVirt's `DowntimeTuningOptions`; `{}` is its defaults. */
export interface DowntimeTuning {
  initialMs?: number;
  steps?: number;
  startAfterIteration?: number;
  cooldownSeconds?: number;
}

export interface VmiMigrationState {
  migrationUid?: string;
  sourceNode?: string;
  sourcePod?: string;
  targetNode?: string;
  targetPod?: string;
  targetNodeAddress?: string;
  targetDirectMigrationNodePorts?: Record<string, number>;
  targetNodeDomainDetected?: boolean;
  targetNodeDomainReadyTimestamp?: string;
  targetAttachmentPodUID?: string;
  startTimestamp?: string;
  endTimestamp?: string;
  completed?: boolean;
  failed?: boolean;
  failureReason?: string;
  abortRequested?: boolean;
  abortStatus?: 'Aborting' | 'Succeeded' | 'Failed';
  mode?: 'PreCopy' | 'PostCopy' | 'Paused';
  migrationPolicyName?: string;
  migrationConfiguration?: MigrationConfiguration;
  migrationNetworkType?: 'Pod' | 'Migration';
  sourcePersistentStatePVCName?: string;
  targetPersistentStatePVCName?: string;
  sourceState?: MigrationSourceState;
  targetState?: MigrationTargetState;
  /** Godwit: `InPlace` when the volumes are mirrored inside one QEMU and nothing changes node; absent otherwise. */
  method?: 'InPlace';
  /** Godwit: what is copied by this very migration, frozen at hand-off; a running job never depends on later edits. */
  volumes?: StorageMigratedVolumeInfo[];
  /** Godwit: of `volumes`, those that are whole on their destination only although the move as a whole has not succeeded. */
  movedVolumes?: string[];
  /**
   * Godwit: where the guest's newest data are (`movedVolumes` apart) although the move has not succeeded; only node agents
   * say it, and only what they know. Absent: nobody knows yet.
   */
  settledOn?: 'source' | 'target';
  /** Godwit: stable code of the error that ended it, where there was one (`docs/reference/errors.md`). */
  failureCode?: string;
}
