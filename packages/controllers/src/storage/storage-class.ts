import { names } from '@godwit/api';
import type { Node, Stored, StorageClass } from '@godwit/api';
import { isTrue } from '@godwit/api';
import { compareText } from '@godwit/core/compare-text';
import { poolParameter, storageMarks } from './marks.ts';

export type Pool = 'node' | 'shared';

export function isOurs(storageClass: StorageClass): boolean {
  return storageClass.provisioner === names.provisioner;
}

export function poolOf(storageClass: StorageClass): Pool {
  return storageClass.parameters?.[poolParameter] === 'shared' ? 'shared' : 'node';
}

export function waitsForConsumer(storageClass: StorageClass | undefined): boolean {
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
}

/** The class used when none is named: the newest of those marked as default, as Kubernetes chooses. */
export function defaultClass(
  classes: readonly Stored<StorageClass>[],
  annotation: string = names.defaultClassAnnotation,
): Stored<StorageClass> | undefined {
  return classes
    .filter((one) => one.metadata.annotations?.[annotation] === 'true')
    .toSorted(
      (a, b) =>
        compareText(b.metadata.creationTimestamp, a.metadata.creationTimestamp) ||
        compareText(a.metadata.name, b.metadata.name),
    )[0];
}

/** The class for virtual machine disks: CDI prefers one marked for virtualization over the cluster's default. */
export function defaultVirtClass(classes: readonly Stored<StorageClass>[]): Stored<StorageClass> | undefined {
  return defaultClass(classes, storageMarks.defaultVirtClass) ?? defaultClass(classes);
}

/** Names of nodes whose agent is alive, in order. */
export function readyNodes(nodes: readonly Node[]): string[] {
  return nodes
    .filter((node) => isTrue(node.status?.conditions, 'Ready') && node.metadata.deletionTimestamp === undefined)
    .map((node) => node.metadata.name ?? '')
    .toSorted();
}
