import { evictionStrategyOf, findCondition, names } from '@godwit/api';
import type { Node, ObjectKey, Stored, VirtualMachineInstance } from '@godwit/api';
import { defaultMigrationConfiguration, effectiveConfiguration } from '../migration/configuration.ts';
import { kubeVirtOf, launcherPods, migrationsOf } from '../virt/caches.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { isFinalMigration, isFinalPod } from '../virt/facts.ts';
import { isEvacuation } from './decide.ts';
import type { SeenGuest } from './seen.ts';

/** More than may leave the node at a time, so that the queue never runs dry; never one object per guest of the node. */
const AHEAD = 2;

function evacuationsFrom(caches: VirtCaches, node: string): number {
  return caches.migrations
    .list()
    .filter(
      (one) =>
        isEvacuation(one) &&
        !isFinalMigration(one) &&
        one.metadata.annotations?.[names.evacuationMigrationAnnotation] === node,
    ).length;
}

/** Cordoned nodes take nobody in. */
function readySinceMs(node: Stored<Node>): number {
  const ready = findCondition(node.status?.conditions, 'Ready');
  if (ready?.status !== 'True' || node.spec?.unschedulable === true) return 0;
  return Date.parse(ready.lastTransitionTime ?? node.metadata.creationTimestamp) || 0;
}

export function observeGuest(caches: VirtCaches, vmi: Stored<VirtualMachineInstance>, key: ObjectKey): SeenGuest {
  const nodeName = vmi.status?.nodeName;
  const kubeVirt = kubeVirtOf(caches);
  const configuration = effectiveConfiguration(kubeVirt, undefined);
  const outbound =
    configuration.parallelOutboundMigrationsPerNode ?? defaultMigrationConfiguration.parallelOutboundMigrationsPerNode;
  return {
    vmi,
    migrations: migrationsOf(caches, key),
    pod: launcherPods(caches, vmi).find((pod) => pod.spec.nodeName === nodeName && !isFinalPod(pod)),
    node: nodeName === undefined ? undefined : caches.nodes.get({ namespace: '', name: nodeName }),
    otherNodeSinceMs: caches.nodes
      .list()
      .filter(({ metadata }) => metadata.name !== nodeName)
      .reduce((latest, node) => Math.max(latest, readySinceMs(node)), 0),
    strategy: evictionStrategyOf(vmi, kubeVirt),
    drainTaintKey: configuration.nodeDrainTaintKey ?? defaultMigrationConfiguration.nodeDrainTaintKey ?? '',
    underway: nodeName === undefined ? 0 : evacuationsFrom(caches, nodeName),
    most: (outbound ?? AHEAD) + AHEAD,
  };
}
