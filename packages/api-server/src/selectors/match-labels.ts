import { labelRequirementHolds } from '@godwit/api';
import type { LabelSelector } from '@godwit/api';

/** Whether labels satisfy a `LabelSelector` object; an empty selector matches everything. */
export function matchesLabelSelector(selector: LabelSelector, labels: Readonly<Record<string, string>> = {}): boolean {
  const exact = Object.entries(selector.matchLabels ?? {});
  if (!exact.every(([key, value]) => labels[key] === value)) return false;
  return (selector.matchExpressions ?? []).every((requirement) => labelRequirementHolds(requirement, labels));
}
