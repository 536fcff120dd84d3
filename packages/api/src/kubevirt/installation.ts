import type { Condition, KubeObject } from '../meta.ts';
import type { MigrationConfiguration } from './migration-state.ts';

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
