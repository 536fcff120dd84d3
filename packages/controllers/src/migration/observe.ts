import { names } from '@godwit/api';
import type { Namespace, ObjectKey, Pod, Stored } from '@godwit/api';
import type { Cache } from '@godwit/reconcile';
import { claimFacts, kubeVirtOf, launcherPods, migrationsOf } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { explain, placements } from '../scheduling/placements.ts';
import { placementInput } from '../scheduling/observe.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { effectiveConfiguration, labelsOf, matchPolicy } from './configuration.ts';
import type { MigrationPolicy } from './configuration.ts';
import type { Admission } from './queue.ts';
import type { Migration, MigrationTimeouts, SeenMigration } from './seen.ts';

export interface MigrationCaches extends VirtCaches {
  readonly policies: Cache<MigrationPolicy>;
  readonly namespaces: Cache<Namespace>;
}

export function targetPodOf(pods: readonly Stored<Pod>[], migration: Migration): Stored<Pod> | undefined {
  return pods.find((pod) => pod.metadata.labels?.[names.migrationJobUidLabel] === migration.metadata.uid);
}

export function vmiKeyOf(migration: Migration): ObjectKey {
  return { namespace: migration.metadata.namespace ?? '', name: migration.spec.vmiName ?? '' };
}

export function observeMigration(
  caches: MigrationCaches,
  migration: Migration,
  admission: () => Admission,
  timeouts: MigrationTimeouts,
): SeenMigration {
  const vmiKey = vmiKeyOf(migration);
  const { namespace } = vmiKey;
  const vmi = caches.instances.get(vmiKey);
  const siblings = migrationsOf(caches, vmiKey).filter((other) => other.metadata.uid !== migration.metadata.uid);
  const pods = vmi ? launcherPods(caches, vmi) : [];
  const policy = matchPolicy(
    caches.policies.list(),
    labelsOf(vmi),
    labelsOf(caches.namespaces.get({ namespace: '', name: namespace })),
  );
  const kubeVirt = kubeVirtOf(caches);
  return {
    migration,
    vmi,
    rivals: siblings.filter((other) => !isFinalMigration(other)),
    finished: siblings.filter(isFinalMigration),
    pods,
    targetPod: targetPodOf(pods, migration),
    sourceNode: caches.nodes.get({ namespace: '', name: vmi?.status?.nodeName ?? '' }),
    configuration: effectiveConfiguration(kubeVirt, policy),
    policyName: policy?.metadata.name,
    node: (name) => caches.nodes.get({ namespace: '', name }),
    candidates: (pod) => {
      const input = placementInput(caches, pod);
      const found = placements(input);
      return { fitting: found.fitting, why: explain(input, found, vmi?.status?.nodeName ?? '') };
    },
    claim: (claimName) => claimFacts(caches, namespace, claimName),
    admission,
    synchronizationAddresses: kubeVirt?.status?.synchronizationAddresses ?? [],
    timeouts,
  };
}
