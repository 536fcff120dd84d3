import { labelRequirementHolds } from '@godwit/api';
import type { LabelRequirement, LabelSelector } from '@godwit/api';

type Labels = Readonly<Record<string, string>>;

export type Requirement = LabelRequirement;

/** One requirement of a label or node selector; node selectors also have `Gt` and `Lt`. Unknown operators never hold. */
export function requirementHolds(requirement: Requirement, labels: Labels): boolean {
  const { key, operator, values = [] } = requirement;
  const value = labels[key];
  switch (operator) {
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return labelRequirementHolds(requirement, labels);
  }
}

/** `meta/v1` LabelSelector; an empty one matches everything, an absent one nothing. */
export function selectorMatches(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (!selector) return false;
  const exact = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return exact && (selector.matchExpressions ?? []).every((requirement) => requirementHolds(requirement, labels));
}
