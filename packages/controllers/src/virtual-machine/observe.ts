import { isTrue } from '@godwit/api';
import type { ObjectKey } from '@godwit/api';
import { claimFacts, kubeVirtOf, migrationsOf } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { otherUsers } from '../virt/claim-users.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { reachFrom } from '../virt/reachable.ts';
import type { SeenMachine } from './seen.ts';

export function observeMachine(caches: VirtCaches, key: ObjectKey): SeenMachine | undefined {
  const vm = caches.machines.get(key);
  if (!vm) return undefined;
  const found = caches.instances.get(key);
  const owned = found?.metadata.ownerReferences?.some((owner) => owner.uid === vm.metadata.uid) === true;
  const node = found?.status?.nodeName ?? '';
  const { namespace } = key;
  return {
    vm,
    vmi: owned ? found : undefined,
    nameTaken: found !== undefined && !owned,
    pvc: (name) => caches.claims.get({ namespace, name }),
    dataVolume: (name) => caches.dataVolumes.get({ namespace, name }),
    claim: (name) => claimFacts(caches, namespace, name),
    usersOf: (claim) => otherUsers(caches, claim, { vm, vmi: owned ? found : undefined }),
    readyNodes: () =>
      caches.nodes
        .list()
        .filter((one) => isTrue(one.status?.conditions, 'Ready'))
        .map((one) => one.metadata.name)
        .toSorted(),
    reachableInPlace: (claim) => ['ready', 'provision'].includes(reachFrom(claimFacts(caches, namespace, claim), node)),
    activeMigrations: migrationsOf(caches, key).filter((vmim) => !isFinalMigration(vmim)),
    // Unset behaves as LiveUpdate, as KubeVirt does today.
    liveUpdate: kubeVirtOf(caches)?.spec?.configuration?.vmRolloutStrategy !== 'Stage',
  };
}
