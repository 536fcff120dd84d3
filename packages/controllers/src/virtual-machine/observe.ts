import { freeBytesAnnotation, isTrue } from '@godwit/api';
import type { ObjectKey, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration, Volume } from '@godwit/api';
import { compatibleNodeLabels } from '../migration/cpu.ts';
import { placementInput } from '../scheduling/observe.ts';
import { explain, placements } from '../scheduling/placements.ts';
import { claimFacts, kubeVirtOf, migrationsOf } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { otherUsers } from '../virt/claim-users.ts';
import { isFinalMigration } from '../virt/facts.ts';
import { reachFrom } from '../virt/reachable.ts';
import { renderLauncherPod } from '../virtual-machine-instance/render-launcher-pod.ts';
import type { SeenMachine } from './seen.ts';

/** A migration that does not exist: its target pod is only looked at. */
const THOUGHT_OF: Stored<VirtualMachineInstanceMigration> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstanceMigration',
  metadata: { name: '', uid: '', resourceVersion: '', creationTimestamp: '' },
  spec: {},
};

/** Asks the scheduler's rules about the target pod that a migration would make. */
function whyNoNode(
  caches: VirtCaches,
  vmi: Stored<VirtualMachineInstance>,
  volumes: readonly Volume[],
): string | undefined {
  const source = vmi.status?.nodeName ?? '';
  const labels = caches.nodes.get({ namespace: '', name: source })?.metadata.labels ?? {};
  const pod = renderLauncherPod(
    { ...vmi, spec: { ...vmi.spec, volumes: [...volumes] } },
    { migration: THOUGHT_OF, apartFromOwnPods: true, requiredNodeLabels: compatibleNodeLabels(vmi, labels) },
  );
  const input = placementInput(caches, pod);
  const found = placements(input);
  return found.fitting.length > 0 ? undefined : explain(input, found, source);
}

function freeBytesOf(caches: VirtCaches, node: string, pool: 'node' | 'shared'): number | undefined {
  const annotations = caches.nodes.get({ namespace: '', name: node })?.metadata.annotations ?? {};
  const told = Number(annotations[freeBytesAnnotation(pool)] ?? Number.NaN);
  return Number.isFinite(told) ? told : undefined;
}

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
    ...(owned ? { whyNoNode: (volumes) => whyNoNode(caches, found, volumes) } : {}),
    freeBytes: (pool) => freeBytesOf(caches, node, pool),
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
