import type {
  KubeVirt,
  PersistentVolumeClaim,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';

/** What the figures of a cluster are taken from. */
export interface SeenCluster {
  readonly migrations: readonly Stored<VirtualMachineInstanceMigration>[];
  readonly instances: readonly Stored<VirtualMachineInstance>[];
  readonly machines: readonly Stored<VirtualMachine>[];
  readonly kubeVirt: Stored<KubeVirt> | undefined;
  readonly claim: (namespace: string, name: string) => Stored<PersistentVolumeClaim> | undefined;
}

/** How many there are under each key, keys that are listed first even when there is none. */
export function countBy<T>(
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
  always: readonly string[] = [],
): Map<string, number> {
  const counts = new Map(always.map((key) => [key, 0]));
  for (const item of items) {
    const key = keyOf(item);
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
