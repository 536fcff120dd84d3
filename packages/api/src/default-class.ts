import { compareText } from '@godwit/core/compare-text';
import type { KubeObject } from './meta.ts';
import { names } from './names.ts';

/** Somebody has marked this StorageClass as the one that is used when none is named. */
export function isDefaultClass(
  { metadata }: Pick<KubeObject, 'metadata'>,
  annotation: string = names.defaultClassAnnotation,
): boolean {
  return metadata.annotations?.[annotation] === 'true';
}

/**
 * The class used when none is named. Of several that are marked the newest, of equally old ones the first by name, as
 * Kubernetes chooses (kubernetes/kubernetes:pkg/volume/util/storageclass.go).
 */
export function defaultClass<T extends Pick<KubeObject, 'metadata'>>(
  classes: readonly T[],
  annotation: string = names.defaultClassAnnotation,
): T | undefined {
  return classes
    .filter((one) => isDefaultClass(one, annotation))
    .toSorted(
      ({ metadata: a }, { metadata: b }) =>
        compareText(b.creationTimestamp ?? '', a.creationTimestamp ?? '') || compareText(a.name ?? '', b.name ?? ''),
    )[0];
}
