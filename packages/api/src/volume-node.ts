import type { PersistentVolume } from './core-kinds.ts';
import { names } from './names.ts';

/** Nodes a PV's own affinity allows; `undefined` means any. */
export function affinityNodes(pv: PersistentVolume): readonly string[] | undefined {
  const terms = pv.spec.nodeAffinity?.required.nodeSelectorTerms;
  if (terms === undefined) return undefined;
  return terms.flatMap((term) =>
    term.matchExpressions
      .filter((expression) => expression.key === names.hostnameLabel && expression.operator === 'In')
      .flatMap((expression) => expression.values),
  );
}

/** The node whose agent creates, fills and deletes the bytes of this PV. */
export function responsibleNode(pv: PersistentVolume): string | undefined {
  const annotations = pv.metadata.annotations ?? {};
  return (
    annotations[names.selectedNodeAnnotation] ?? annotations[names.provisionNodeAnnotation] ?? affinityNodes(pv)?.[0]
  );
}
