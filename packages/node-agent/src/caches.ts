import { resources } from '@godwit/api';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import type { Cache, Manager } from '@godwit/reconcile';

/** What an agent follows: its own pods, and the cluster's volumes and guests. */
export interface AgentCaches {
  readonly pods: Cache<Pod>;
  readonly claims: Cache<PersistentVolumeClaim>;
  readonly volumes: Cache<PersistentVolume>;
  readonly instances: Cache<VirtualMachineInstance>;
  readonly migrations: Cache<VirtualMachineInstanceMigration>;
}

export function agentCaches(manager: Manager, nodeName: string): AgentCaches {
  return {
    pods: manager.cache(resources.pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
    claims: manager.cache(resources.persistentVolumeClaims),
    volumes: manager.cache(resources.persistentVolumes),
    instances: manager.cache(resources.virtualMachineInstances),
    migrations: manager.cache(resources.virtualMachineInstanceMigrations),
  };
}
