import { names, resources } from '@godwit/api';
import type {
  DataVolume,
  KubeObject,
  KubeVirt,
  Node,
  ObjectKey,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { keyOf } from '@godwit/api';
import type { Cache, Manager } from '@godwit/reconcile';
import { volumeNameFor } from '../storage/claims/desired-volume.ts';
import { instanceClaims, podClaims } from '../storage/protection/decide.ts';
import { classFor } from '../storage/storage-class.ts';
import { machineClaims } from './claim-users.ts';
import { claimsOf } from './facts.ts';
import type { ClaimFacts } from './reachable.ts';

/** The caches the VM controllers share. Indexes: `claim` (named by the spec), `holds` (with the claims that only the status knows), `vmi`, all as `<namespace>/<name or uid>`. */
export interface VirtCaches {
  readonly machines: Cache<VirtualMachine>;
  readonly instances: Cache<VirtualMachineInstance>;
  readonly migrations: Cache<VirtualMachineInstanceMigration>;
  readonly pods: Cache<Pod>;
  readonly claims: Cache<PersistentVolumeClaim>;
  readonly volumes: Cache<PersistentVolume>;
  readonly dataVolumes: Cache<DataVolume>;
  readonly storageClasses: Cache<StorageClass>;
  readonly kubeVirts: Cache<KubeVirt>;
  readonly nodes: Cache<Node>;
}

function inNamespace(object: KubeObject, value: string): string {
  return `${object.metadata.namespace ?? ''}/${value}`;
}

export function virtCaches(manager: Manager): VirtCaches {
  return {
    machines: manager.cache<VirtualMachine>(resources.virtualMachines, {
      indexes: {
        claim: (vm) => [...claimsOf(vm.spec.template.spec.volumes).values()].map((claim) => inNamespace(vm, claim)),
        holds: (vm) => machineClaims(vm).map((claim) => inNamespace(vm, claim)),
      },
    }),
    instances: manager.cache<VirtualMachineInstance>(resources.virtualMachineInstances, {
      indexes: {
        claim: (vmi) => [...claimsOf(vmi.spec.volumes).values()].map((claim) => inNamespace(vmi, claim)),
        holds: (vmi) => instanceClaims(vmi).map((claim) => inNamespace(vmi, claim)),
      },
    }),
    migrations: manager.cache<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
      indexes: { vmi: (vmim) => [inNamespace(vmim, vmim.spec.vmiName ?? '')] },
    }),
    pods: manager.cache<Pod>(resources.pods, {
      indexes: {
        creator: (pod) => [pod.metadata.labels?.[names.createdByLabel] ?? ''],
        holds: (pod) => podClaims(pod).map((claim) => inNamespace(pod, claim)),
      },
    }),
    claims: manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims),
    volumes: manager.cache<PersistentVolume>(resources.persistentVolumes),
    dataVolumes: manager.cache<DataVolume>(resources.dataVolumes),
    storageClasses: manager.cache<StorageClass>(resources.storageClasses),
    kubeVirts: manager.cache<KubeVirt>(resources.kubeVirts),
    nodes: manager.cache<Node>(resources.nodes),
  };
}

/** Launcher pods of one VMI, finished ones included. */
export function launcherPods(caches: VirtCaches, vmi: Stored<VirtualMachineInstance>): Stored<Pod>[] {
  return caches.pods.byIndex('creator', vmi.metadata.uid);
}

export function claimFacts(caches: VirtCaches, namespace: string, claimName: string): ClaimFacts {
  const pvc = caches.claims.get({ namespace, name: claimName });
  // Before it is bound, the volume that is being made for it has its name from the claim.
  const pvName = pvc?.spec.volumeName ?? (pvc && volumeNameFor(pvc));
  return {
    pvc,
    pv: pvName === undefined ? undefined : caches.volumes.get({ namespace: '', name: pvName }),
    storageClass: classFor(caches.storageClasses, pvc?.spec.storageClassName),
  };
}

export function migrationsOf(caches: VirtCaches, key: ObjectKey): Stored<VirtualMachineInstanceMigration>[] {
  return caches.migrations.byIndex('vmi', `${key.namespace}/${key.name}`);
}

/** The one KubeVirt object of a cluster. */
export function kubeVirtOf(caches: Pick<VirtCaches, 'kubeVirts'>): Stored<KubeVirt> | undefined {
  return (
    caches.kubeVirts.get({ namespace: names.installNamespace, name: names.kubeVirtName }) ?? caches.kubeVirts.list()[0]
  );
}

/** Keys of the objects that use the claim (or the DataVolume of the same name) that `object` is. */
export function usersOfClaim(
  cache: Cache<VirtualMachine> | Cache<VirtualMachineInstance>,
  object: KubeObject,
): ObjectKey[] {
  return cache.byIndex('claim', `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`).map(keyOf);
}
