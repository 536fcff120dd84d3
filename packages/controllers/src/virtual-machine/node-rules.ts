import type { VirtualMachineInstanceSpec } from '@godwit/api';

type Spec = VirtualMachineInstanceSpec;

/** Where a guest may go next; nothing of it concerns the node that it runs on. */
export const nodeRuleFields = ['nodeSelector', 'affinity', 'tolerations'] as const;

function nodeRulesOf(spec: Spec): Partial<Spec> {
  return Object.fromEntries(
    nodeRuleFields.flatMap((field) => (spec[field] === undefined ? [] : [[field, spec[field]]])),
  );
}

/** `spec` with what `wanted` says about nodes. */
export function withNodeRulesOf(spec: Spec, wanted: Spec): Spec {
  const next = { ...spec };
  for (const field of nodeRuleFields) delete next[field];
  return { ...next, ...nodeRulesOf(wanted) };
}
