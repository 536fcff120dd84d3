import type { KubeObject } from '@godwit/api';
import type { ListOptions } from '../types.ts';

/** Whether an object belongs to a selection; knows equality, `in`, `notin`, existence, and dotted field paths. */
export function selected(object: KubeObject, selection: ListOptions): boolean {
  const namespace = selection.namespace ?? '';
  if (namespace !== '' && object.metadata.namespace !== namespace) return false;
  const labels = object.metadata.labels ?? {};
  const labelTerms = split(selection.labelSelector ?? '');
  const fieldTerms = (selection.fieldSelector ?? '').split(',').filter((term) => term !== '');
  return labelTerms.every((term) => holds(term, labels)) && fieldTerms.every((term) => fieldHolds(term, object));
}

/** Terms are separated by commas outside parentheses. */
function split(selector: string): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '');
}

function holds(term: string, labels: Readonly<Record<string, string>>): boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set) {
    const [, key = '', operator, list = ''] = set;
    const value = labels[key];
    const found = value !== undefined && list.split(',').some((one) => one.trim() === value);
    return operator === 'in' ? found : !found;
  }
  const equality = /^([^=!]+?)\s*(==|=|!=)\s*(.*)$/.exec(term);
  if (equality) {
    const [, key = '', operator, value] = equality;
    return (labels[key] === value) === (operator !== '!=');
  }
  return term.startsWith('!') ? labels[term.slice(1)] === undefined : labels[term] !== undefined;
}

function fieldHolds(term: string, object: KubeObject): boolean {
  const match = /^([^=!]+?)(==|=|!=)(.*)$/.exec(term);
  if (!match) return false;
  const [, path = '', operator, value] = match;
  let current: unknown = object;
  for (const step of path.split('.')) {
    current = typeof current === 'object' && current !== null ? (current as Record<string, unknown>)[step] : undefined;
  }
  const text =
    typeof current === 'string' || typeof current === 'number' || typeof current === 'boolean' ? current : '';
  return (String(text) === value) === (operator !== '!=');
}
