import type { Condition, KubeObject } from '../meta.ts';
import type { VmiMigrationState } from './migration-state.ts';

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
