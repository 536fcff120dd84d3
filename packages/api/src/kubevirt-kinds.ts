/** Wire types of `kubevirt.io/v1`. Names and meanings are KubeVirt's; members KubeVirt does not have are marked. */
import type { AccessMode, VolumeMode } from './core-kinds.ts';
import type { Condition, KubeObject, ObjectMeta } from './meta.ts';
import type { DataVolumeSpec } from './cdi-kinds.ts';

export type RunStrategy = 'Always' | 'Halted' | 'Manual' | 'RerunOnFailure' | 'Once' | 'WaitAsReceiver';

export interface Disk {
  name: string;
  disk?: { bus?: 'virtio' | 'sata' | 'scsi' | 'usb'; readonly?: boolean; pciAddress?: string };
  cdrom?: { bus?: string; readonly?: boolean; tray?: string };
  lun?: unknown;
  bootOrder?: number;
  serial?: string;
  cache?: 'none' | 'writeback' | 'writethrough';
  io?: string;
  shareable?: boolean;
  dedicatedIOThread?: boolean;
  tag?: string;
  blockSize?: unknown;
  errorPolicy?: string;
  [field: string]: unknown;
}

export interface Interface {
  name: string;
  model?: string;
  macAddress?: string;
  masquerade?: object;
  bridge?: object;
  slirp?: object;
  passtBinding?: object;
  binding?: { name: string };
  ports?: { name?: string; port: number; protocol?: string }[];
  bootOrder?: number;
  state?: string;
  [field: string]: unknown;
}

export interface Volume {
  name: string;
  dataVolume?: { name: string; hotpluggable?: boolean };
  persistentVolumeClaim?: { claimName: string; readOnly?: boolean; hotpluggable?: boolean };
  containerDisk?: { image: string; imagePullPolicy?: string; imagePullSecret?: string; path?: string };
  cloudInitNoCloud?: {
    userData?: string;
    userDataBase64?: string;
    secretRef?: { name: string };
    networkData?: string;
    networkDataBase64?: string;
    networkDataSecretRef?: { name: string };
  };
  emptyDisk?: { capacity: string };
  [field: string]: unknown;
}

export interface DomainSpec {
  cpu?: {
    cores?: number;
    sockets?: number;
    threads?: number;
    model?: string;
    maxSockets?: number;
    features?: unknown[];
    [field: string]: unknown;
  };
  memory?: { guest?: string; maxGuest?: string; hugepages?: unknown };
  machine?: { type?: string };
  resources?: { requests?: Record<string, string>; limits?: Record<string, string>; overcommitGuestOverhead?: boolean };
  firmware?: {
    uuid?: string;
    serial?: string;
    bootloader?: { bios?: { useSerial?: boolean }; efi?: unknown };
    kernelBoot?: unknown;
    acpi?: unknown;
  };
  devices: {
    disks?: Disk[];
    interfaces?: Interface[];
    filesystems?: unknown[];
    rng?: object;
    autoattachPodInterface?: boolean;
    autoattachSerialConsole?: boolean;
    autoattachGraphicsDevice?: boolean;
    autoattachMemBalloon?: boolean;
    logSerialConsole?: boolean;
    disableHotplug?: boolean;
    [field: string]: unknown;
  };
  features?: Record<string, unknown>;
  clock?: unknown;
  ioThreadsPolicy?: string;
  launchSecurity?: unknown;
  chassis?: unknown;
}

export interface VirtualMachineInstanceSpec {
  domain: DomainSpec;
  volumes?: Volume[];
  networks?: { name: string; pod?: object; multus?: { networkName: string } }[];
  nodeSelector?: Record<string, string>;
  affinity?: unknown;
  tolerations?: unknown[];
  evictionStrategy?: 'LiveMigrate' | 'LiveMigrateIfPossible' | 'External' | 'None';
  terminationGracePeriodSeconds?: number;
  startStrategy?: 'Paused';
  hostname?: string;
  subdomain?: string;
  architecture?: string;
  [field: string]: unknown;
}

export interface DataVolumeTemplate {
  metadata: ObjectMeta;
  spec: DataVolumeSpec;
}

export interface PersistentVolumeClaimInfo {
  claimName?: string;
  accessModes?: AccessMode[];
  volumeMode?: VolumeMode;
  capacity?: { storage?: string };
  requests?: { storage?: string };
  preallocated?: boolean;
  filesystemOverhead?: string;
}

export interface StorageMigratedVolumeInfo {
  volumeName: string;
  sourcePVCInfo?: PersistentVolumeClaimInfo;
  destinationPVCInfo?: PersistentVolumeClaimInfo;
}

/** The copy of a stopped VM's volumes: all of them, or none. */
export interface OfflineCopyStatus {
  /** Of the present attempt; what a node agent says of any other one does not count. */
  id: string;
  attempts: number;
  volumes: { volumeName: string; source: string; target: string; node: string; phase?: string; progress?: string }[];
  /** The present attempt has failed; absent while it goes on. */
  failure?: { at: string; message: string; permanent?: boolean };
}

export interface VirtualMachine extends KubeObject {
  spec: {
    runStrategy?: RunStrategy;
    running?: boolean;
    template: { metadata?: ObjectMeta; spec: VirtualMachineInstanceSpec };
    dataVolumeTemplates?: DataVolumeTemplate[];
    updateVolumesStrategy?: string;
    instancetype?: unknown;
    preference?: unknown;
  };
  status?: {
    created?: boolean;
    ready?: boolean;
    printableStatus?: string;
    runStrategy?: RunStrategy;
    observedGeneration?: number;
    desiredGeneration?: number;
    conditions?: Condition[];
    stateChangeRequests?: { action: 'Start' | 'Stop'; data?: Record<string, string>; uid?: string }[];
    volumeRequests?: unknown[];
    snapshotInProgress?: string;
    restoreInProgress?: string;
    startFailure?: { consecutiveFailCount?: number; lastFailedVMIUID?: string; retryAfterTimestamp?: string };
    volumeUpdateState?: { volumeMigrationState?: { migratedVolumes: StorageMigratedVolumeInfo[] } };
    volumeSnapshotStatuses?: unknown[];
    /** Godwit: volume name to the claim that holds the data the guest last wrote; guards against booting a blank target. */
    lastVolumes?: Record<string, string>;
    /** Godwit: bytes of the disk that the guest last saw on the claim in `lastVolumes`; absent: as many as the claim has. */
    lastDiskBytes?: Record<string, number>;
    /** Godwit: claims that were to be copied to and have not become those of the VM: they may hold a part of its data. */
    unfinishedCopies?: string[];
    /**
     * Godwit: the guest ended by itself before its volumes were all copied to the claims of the template, so it starts on
     * `lastVolumes` and is copied while it runs. Absent: volumes are copied before the next start.
     */
    restartsOnLastVolumes?: boolean;
    /** Godwit: the copy of a stopped VM's volumes to the claims of its template, while it is wanted. */
    offlineCopy?: OfflineCopyStatus;
  };
}

export type VmiPhase =
  | ''
  | 'Pending'
  | 'Scheduling'
  | 'Scheduled'
  | 'Running'
  | 'Succeeded'
  | 'Failed'
  | 'WaitingForSync'
  | 'Unknown';

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

export interface VirtualMachineInstance extends KubeObject {
  spec: VirtualMachineInstanceSpec;
  status?: {
    phase?: VmiPhase;
    reason?: string;
    conditions?: Condition[];
    phaseTransitionTimestamps?: { phase: string; phaseTransitionTimestamp: string }[];
    nodeName?: string;
    evacuationNodeName?: string;
    activePods?: Record<string, string>;
    migrationMethod?: 'BlockMigration' | 'LiveMigration';
    migrationTransport?: string;
    migrationState?: VmiMigrationState;
    migratedVolumes?: StorageMigratedVolumeInfo[];
    volumeStatus?: {
      name: string;
      target?: string;
      phase?: string;
      reason?: string;
      message?: string;
      size?: number;
      persistentVolumeClaimInfo?: PersistentVolumeClaimInfo;
      containerDiskVolume?: { checksum?: number };
      /** Present for a volume that may come and go while the guest runs. */
      hotplugVolume?: { attachPodName?: string; attachPodUID?: string };
    }[];
    interfaces?: {
      name?: string;
      mac?: string;
      ipAddress?: string;
      ipAddresses?: string[];
      interfaceName?: string;
      infoSource?: string;
    }[];
    machine?: { type?: string };
    memory?: { guestAtBoot?: string; guestCurrent?: string; guestRequested?: string };
    currentCPUTopology?: { cores?: number; sockets?: number; threads?: number };
    guestOSInfo?: Record<string, string>;
    launcherContainerImageVersion?: string;
    runtimeUser?: number;
    qosClass?: string;
    virtualMachineRevisionName?: string;
    selinuxContext?: string;
  };
}

export type VmimPhase =
  | ''
  | 'Pending'
  | 'Scheduling'
  | 'Scheduled'
  | 'PreparingTarget'
  | 'TargetReady'
  | 'Running'
  | 'Succeeded'
  | 'Failed'
  | 'WaitingForSync'
  | 'Synchronizing';

/** Godwit: live progress of one migration, written by the source node agent at least once a second; never runs backwards. */
export interface MigrationProgress {
  /** RFC 3339 with milliseconds; when these numbers were read from QEMU. */
  updatedAt: string;
  stage: 'Preparing' | 'CopyingDisks' | 'CopyingMemory' | 'SwitchingOver' | 'HandingOver' | 'Done' | 'Failed';
  /** Bytes known to have to be dealt with (grows when the guest dirties), and bytes that have; holes and zeroes count. */
  bytesTotal: number;
  bytesDone: number;
  /** Godwit extension: bytes that really travelled to the target, or in place were written to it; holes and zeroes do not count. */
  bytesTransferred?: number;
  /** Of `bytesTransferred` where that is known. */
  bytesPerSecond?: number;
  volumes?: {
    name: string;
    bytesTotal: number;
    bytesDone: number;
    bytesPerSecond?: number;
    /** What the guest writes, rounded up to what is copied at once. */
    dirtyBytesPerSecond?: number;
    /** Absent while the guest writes as fast as it is copied. */
    etaSeconds?: number;
    /** Present while `allowAutoConverge` has the guest write no more than this to the volume. */
    writeLimitBytesPerSecond?: number;
  }[];
  memory?: {
    bytesTotal: number;
    bytesDone: number;
    dirtyBytesPerSecond?: number;
    iteration?: number;
    /** Present while auto-converge holds the guest's processors back: how much of their time. */
    throttlePercent?: number;
  };
  /** Absent while the guest writes as fast as it is copied. */
  etaSeconds?: number;
  /** Present once the guest runs on the target: QEMU's own figure of vCPUs not executing. */
  downtimeMs?: number;
  totalMs?: number;
}

/**
 * Godwit: the disks of source and target compared at the switchover, the guest paused and the copy complete. `Partial`: of
 * some volumes nothing can be said. After `Different` the migration has failed and the guest runs on at its source.
 */
export interface MigrationVerification {
  result: 'Identical' | 'Different' | 'Partial' | 'NothingCopied';
  /** For each volume that is different: the first offset at which it is, and both digests there. */
  message?: string;
  /** RFC 3339; the end of the comparison. */
  verifiedAt: string;
  /** How long the guest was paused for it. */
  milliseconds: number;
  volumes: VolumeVerification[];
}

export interface VolumeVerification {
  name: string;
  result: 'Identical' | 'Different' | 'Skipped';
  /** Compared; holes count. */
  bytes: number;
  /** Really read on the target: holes are not. */
  bytesRead: number;
  /** SHA-256 of the SHA-256 digests of the source's chunks of 1 MiB, hexadecimal. */
  digest?: string;
  /** The target's, when it is another. */
  targetDigest?: string;
  /** Offset of the first chunk that is different. */
  differenceAt?: number;
  /** Of the slower side. */
  milliseconds: number;
  /** One side's file system cannot be read around the page cache: what was compared may be the cache's content there. */
  cached?: boolean;
  message?: string;
}

export interface VirtualMachineInstanceMigration extends KubeObject {
  spec: {
    vmiName?: string;
    addedNodeSelector?: Record<string, string>;
    priority?: 'system-critical' | 'user-triggered' | 'system-maintenance';
    sendTo?: { migrationID: string; connectURL: string };
    receive?: { migrationID: string };
  };
  status?: {
    phase?: VmimPhase;
    conditions?: Condition[];
    phaseTransitionTimestamps?: { phase: VmimPhase; phaseTransitionTimestamp: string }[];
    migrationState?: VmiMigrationState;
    synchronizationAddresses?: string[];
    /** Godwit extension. */
    progress?: MigrationProgress;
    /** Godwit extension: present once the comparison that `godwit.dev/verify` asks for has been made. */
    verification?: MigrationVerification;
  };
}

export interface KubeVirt extends KubeObject {
  spec?: {
    configuration?: {
      migrations?: MigrationConfiguration;
      vmRolloutStrategy?: 'Stage' | 'LiveUpdate';
      evictionStrategy?: 'LiveMigrate' | 'LiveMigrateIfPossible' | 'External' | 'None';
      developerConfiguration?: { featureGates?: string[]; disabledFeatureGates?: string[]; [field: string]: unknown };
      [field: string]: unknown;
    };
    workloadUpdateStrategy?: {
      workloadUpdateMethods?: ('LiveMigrate' | 'Evict')[];
      batchEvictionSize?: number;
      batchEvictionInterval?: string;
    };
    synchronizationPort?: string;
    [field: string]: unknown;
  };
  status?: {
    phase?: string;
    conditions?: Condition[];
    synchronizationAddresses?: string[];
    observedKubeVirtVersion?: string;
    targetKubeVirtVersion?: string;
    [field: string]: unknown;
  };
}
