import type { KubeObject } from '@godwit/api';
import { badRequest } from '../api-error.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { SelectorError } from '../selectors/errors.ts';
import { parseFieldSelector } from '../selectors/field-selector.ts';
import { parseLabelSelector } from '../selectors/label-selector.ts';

/** Which objects of a list or watch are wanted. */
export interface Selection {
  /** False when everything matches anyway. */
  readonly narrows: boolean;
  /** Set when the field selector pins one name. */
  readonly name: string | undefined;
  matches(object: KubeObject): boolean;
}

export function parseSelection(kind: ServedKind, query: URLSearchParams): Selection {
  const labelText = query.get('labelSelector') ?? '';
  const fieldText = query.get('fieldSelector') ?? '';
  try {
    const labels = parseLabelSelector(labelText);
    const keys = ['metadata.name', 'metadata.namespace', ...Object.keys(kind.fieldSelectors)];
    const fields = parseFieldSelector(fieldText, keys);
    const valueOf = (object: KubeObject, key: string): string => {
      if (key === 'metadata.name') return object.metadata.name ?? '';
      if (key === 'metadata.namespace') return object.metadata.namespace ?? '';
      return kind.fieldSelectors[key]?.(object) ?? '';
    };
    const name = fields.requirements.find((one) => one.key === 'metadata.name' && one.operator === '=')?.value;
    return {
      narrows: labelText.trim() !== '' || fields.requirements.length > 0,
      name,
      matches: (object) => labels(object.metadata.labels) && fields.matches((key) => valueOf(object, key)),
    };
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}
