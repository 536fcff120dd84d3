import type { DataVolumeSpec } from '../cdi-kinds.ts';
import type { Condition, KubeObject, ObjectMeta } from '../meta.ts';
import type { VirtualMachineInstanceSpec } from './instance-spec.ts';
import type { StorageMigratedVolumeInfo } from './migrated-volumes.ts';

export type RunStrategy = 'Always' | 'Halted' | 'Manual' | 'RerunOnFailure' | 'Once' | 'WaitAsReceiver';

export interface DataVolumeTemplate {
  metadata: ObjectMeta;
  spec: DataVolumeSpec;
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
