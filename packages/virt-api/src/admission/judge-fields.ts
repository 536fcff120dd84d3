import { findUnsupported } from '@godwit/api';
import type { SupportRules } from '@godwit/api';
import type { FieldProblem } from '../refuse.ts';

export interface SpecVerdict {
  readonly problems: readonly FieldProblem[];
  readonly warnings: readonly string[];
}

/** What a table of the compatibility document says about the fields that are set in `spec`. Pure. */
export function judgeFields(rules: SupportRules, spec: unknown, root: string): SpecVerdict {
  const problems: FieldProblem[] = [];
  const warnings: string[] = [];
  for (const { field, rule } of findUnsupported(rules, spec, root)) {
    const note = rule.note ?? '';
    if (rule.support === 'warning') warnings.push(`${field} has no effect here: ${note}`);
    else problems.push({ field, message: `is not supported here: ${note}`, reason: 'FieldValueNotSupported' });
  }
  return { problems, warnings };
}
