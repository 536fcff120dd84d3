import { defaultClass, isTrue, names } from '@godwit/api';
import type { Node, Stored, StorageClass } from '@godwit/api';
import type { Cache } from '@godwit/reconcile';
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

/** The class for virtual machine disks: CDI prefers one marked for virtualization over the cluster's default. */
export function defaultVirtClass(classes: readonly Stored<StorageClass>[]): Stored<StorageClass> | undefined {
  return defaultClass(classes, storageMarks.defaultVirtClass) ?? defaultClass(classes);
}

/** The class a claim names, or the default when it names none. */
export function classFor(
  classes: Pick<Cache<StorageClass>, 'get' | 'list'>,
  name: string | undefined,
): Stored<StorageClass> | undefined {
  return name === undefined ? defaultClass(classes.list()) : classes.get({ namespace: '', name });
}

/** Names of nodes whose agent is alive, in order. */
export function readyNodes(nodes: readonly Node[]): string[] {
  return nodes
    .filter((node) => isTrue(node.status?.conditions, 'Ready') && node.metadata.deletionTimestamp === undefined)
    .map((node) => node.metadata.name ?? '')
    .toSorted();
}
