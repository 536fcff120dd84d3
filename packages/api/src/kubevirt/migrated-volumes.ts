import type { AccessMode, VolumeMode } from '../core-kinds.ts';

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
