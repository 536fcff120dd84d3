import { names } from '@godwit/api';
import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
  Stored,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import type { Cache } from '@godwit/reconcile';
import { classFor } from '../storage/storage-class.ts';
import { podClaims } from '../storage/protection/decide.ts';
import { isFinalMigration, isFinalPod } from '../virt/facts.ts';
import type { PlacedPod } from './affinity.ts';
import type { Inbound, PlacementInput } from './placements.ts';
import type { PodClaim } from './volumes.ts';

/** What placing a pod depends on. */
export interface PlacementCaches {
  readonly pods: Pick<Cache<Pod>, 'list'>;
  readonly nodes: Pick<Cache<Node>, 'get' | 'list'>;
  readonly claims: Pick<Cache<PersistentVolumeClaim>, 'get'>;
  readonly volumes: Pick<Cache<PersistentVolume>, 'get'>;
  readonly storageClasses: Pick<Cache<StorageClass>, 'get' | 'list'>;
}

export interface PlacementOptions {
  /** Node of a pod that was bound a moment ago, while the cache does not show it. */
  readonly assumed?: (pod: Stored<Pod>) => string | undefined;
  readonly inbound?: Inbound;
}

function claimsOf(caches: PlacementCaches, pod: Pod): PodClaim[] {
  return podClaims(pod).map((name) => {
    const claim = caches.claims.get({ namespace: pod.metadata.namespace ?? '', name });
    return {
      name,
      claim,
      volume: caches.volumes.get({ namespace: '', name: claim?.spec.volumeName ?? '' }),
      storageClass: classFor(caches.storageClasses, claim?.spec.storageClassName),
    };
  });
}

/** Everything `placements` looks at, for a pod that exists or one that is only thought of. */
export function placementInput(caches: PlacementCaches, pod: Pod, options: PlacementOptions = {}): PlacementInput {
  const placed: PlacedPod[] = [];
  for (const other of caches.pods.list()) {
    if (isFinalPod(other) || other.metadata.uid === pod.metadata.uid) continue;
    const name = other.spec.nodeName ?? options.assumed?.(other) ?? '';
    const node = name === '' ? undefined : caches.nodes.get({ namespace: '', name });
    if (node) placed.push({ pod: other, node });
  }
  return {
    pod,
    nodes: caches.nodes.list(),
    placed,
    claims: claimsOf(caches, pod),
    ...(options.inbound ? { inbound: options.inbound } : {}),
  };
}

/** Guests under way to each node: target pods that have a node while their migration has not ended. */
export function arrivals(
  pods: readonly Stored<Pod>[],
  migrations: readonly Stored<VirtualMachineInstanceMigration>[],
  nodeOf: (pod: Stored<Pod>) => string | undefined,
  except?: string,
): Map<string, number> {
  const unfinished = new Set(migrations.filter((one) => !isFinalMigration(one)).map((one) => one.metadata.uid));
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const job = pod.metadata.labels?.[names.migrationJobUidLabel];
    if (job === undefined || job === except || !unfinished.has(job) || isFinalPod(pod)) continue;
    const node = nodeOf(pod) ?? '';
    if (node !== '') counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts;
}
