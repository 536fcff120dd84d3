import { names } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '@godwit/api';

/** `provision`: not bound yet, but it may be provisioned on that node. `unknown`: it depends on a binding still to come. */
export type Reach = 'ready' | 'provision' | 'elsewhere' | 'unknown';

export interface ClaimFacts {
  readonly pvc: PersistentVolumeClaim | undefined;
  readonly pv: PersistentVolume | undefined;
  readonly storageClass: StorageClass | undefined;
}

function allowsNode(pv: PersistentVolume, node: string): boolean {
  const terms = pv.spec.nodeAffinity?.required.nodeSelectorTerms;
  if (!terms || terms.length === 0) return true;
  return terms.some((term) =>
    term.matchExpressions.every(
      ({ key, operator, values }) =>
        key !== names.hostnameLabel || (operator === 'NotIn' ? !values.includes(node) : values.includes(node)),
    ),
  );
}

/** Whether a claim's bytes can be reached from a node, or could be provisioned there. */
export function reachFrom(facts: ClaimFacts, node: string): Reach {
  const { pvc, pv, storageClass } = facts;
  if (!pvc) return 'unknown';
  if (pvc.status?.phase === 'Bound') {
    if (!pv) return 'unknown';
    if (pv.metadata.annotations?.[names.poolAnnotation] === 'shared') return 'ready';
    return allowsNode(pv, node) ? 'ready' : 'elsewhere';
  }
  if (storageClass?.parameters?.['pool'] === 'shared') return 'provision';
  const selected = pvc.metadata.annotations?.[names.selectedNodeAnnotation];
  if (selected !== undefined) return selected === node ? 'provision' : 'elsewhere';
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer' ? 'provision' : 'unknown';
}
