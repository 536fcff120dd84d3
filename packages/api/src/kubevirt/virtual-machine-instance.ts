import type { Condition, KubeObject } from '../meta.ts';
import type { VirtualMachineInstanceSpec } from './instance-spec.ts';
import type { PersistentVolumeClaimInfo, StorageMigratedVolumeInfo } from './migrated-volumes.ts';
import type { VmiMigrationState } from './migration-state.ts';

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
