import { names, resources } from '@godwit/api';
import type { ObjectKey, Pod, Stored, VirtualMachineInstance } from '@godwit/api';
import type { KubeClient } from '@godwit/kube-client';
import { cpuModelLabels } from '../scheduling/cpu-model.ts';
import { machineTypeLabels } from '../scheduling/machine-type.ts';
import { launcherPods } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { claimOf, isFinalPod } from '../virt/facts.ts';
import type { SeenInstance } from './decide.ts';
import type { SeenVolume } from './volumes-ready.ts';

function seenVolumes(caches: VirtCaches, vmi: Stored<VirtualMachineInstance>): SeenVolume[] {
  const namespace = vmi.metadata.namespace ?? '';
  return (vmi.spec.volumes ?? []).flatMap((volume) => {
    const claimName = claimOf(volume);
    if (claimName === undefined) return [];
    return [
      {
        name: volume.name,
        claimName,
        fromDataVolume: volume.dataVolume !== undefined,
        pvc: caches.claims.get({ namespace, name: claimName }),
        dataVolume: caches.dataVolumes.get({ namespace, name: claimName }),
      },
    ];
  });
}

/** "No pod is alive" ends a VMI, so a cache is not good enough for it. */
async function completePods(
  client: KubeClient,
  caches: VirtCaches,
  vmi: Stored<VirtualMachineInstance>,
): Promise<readonly Stored<Pod>[]> {
  const cached = launcherPods(caches, vmi);
  const started = ['Scheduling', 'Scheduled', 'Running'].includes(vmi.status?.phase ?? '');
  const inDoubt = started || vmi.metadata.deletionTimestamp !== undefined;
  if (!inDoubt || cached.some((pod) => !isFinalPod(pod))) return cached;
  const { items } = await client.list<Pod>(resources.pods, {
    namespace: vmi.metadata.namespace ?? '',
    labelSelector: `${names.createdByLabel}=${vmi.metadata.uid}`,
  });
  return items;
}

function predecessorOf(caches: VirtCaches, vmi: Stored<VirtualMachineInstance>): Stored<Pod> | undefined {
  if (vmi.status?.phase !== 'Pending') return undefined;
  return caches.pods.list(vmi.metadata.namespace).find((pod) => {
    const { labels, annotations } = pod.metadata;
    const launcher = labels?.[names.appLabel] === 'virt-launcher';
    const namesake = annotations?.[names.domainAnnotation] === vmi.metadata.name;
    return launcher && namesake && labels[names.createdByLabel] !== vmi.metadata.uid && !isFinalPod(pod);
  });
}

export async function observeInstance(
  client: KubeClient,
  caches: VirtCaches,
  key: ObjectKey,
): Promise<SeenInstance | undefined> {
  const vmi = caches.instances.get(key);
  if (!vmi) return undefined;
  const pods = await completePods(client, caches, vmi);
  const namesake = caches.machines.get(key);
  const owner = vmi.metadata.ownerReferences?.some(({ uid }) => uid === namesake?.metadata.uid) ? namesake : undefined;
  const nodes = caches.nodes.list();
  const nodeLabels = { ...machineTypeLabels(vmi, nodes), ...cpuModelLabels(vmi, nodes) };
  return { vmi, pods, volumes: seenVolumes(caches, vmi), predecessor: predecessorOf(caches, vmi), nodeLabels, owner };
}
