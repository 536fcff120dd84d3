import type { KubeObject } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { formatAge } from './age.ts';
import type { TableColumn, TableView } from './types.ts';

/** The value at a path of members; undefined when any of them is absent. */
export function at(value: unknown, ...path: string[]): unknown {
  return path.reduce((here, key) => (isObject(here) ? here[key] : undefined), value);
}

export function text(value: unknown, ...path: string[]): string {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : typeof found === 'number' ? String(found) : '';
}

export function count(value: unknown, ...path: string[]): number {
  const found = at(value, ...path);
  return typeof found === 'number' ? found : 0;
}

export function items(value: unknown, ...path: string[]): unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** How many members a map or elements a list has. */
export function size(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : 0;
}

export function orNone(shown: string, placeholder = '<none>'): string {
  return shown === '' ? placeholder : shown;
}

export function age(object: KubeObject, nowMs: number): string {
  return formatAge(object.metadata.creationTimestamp, nowMs);
}

/** `a=1,b=2` of a map of labels. */
export function labelText(labels: unknown): string {
  const pairs = isObject(labels) ? Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`) : [];
  return orNone(pairs.toSorted().join(','));
}

/** A label selector in the text form of list requests. */
export function selectorText(selector: unknown): string {
  const labels = at(selector, 'matchLabels');
  const parts = isObject(labels) ? Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`) : [];
  for (const expression of items(selector, 'matchExpressions')) {
    const key = text(expression, 'key');
    const values = `(${items(expression, 'values').join(',')})`;
    const operator = text(expression, 'operator');
    if (operator === 'Exists') parts.push(key);
    else if (operator === 'DoesNotExist') parts.push(`!${key}`);
    else parts.push(`${key} ${operator === 'In' ? 'in' : 'notin'} ${values}`);
  }
  return orNone(parts.toSorted().join(','));
}

const ACCESS_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

export function accessModes(modes: unknown): string {
  const present = new Set(items(modes));
  return Object.entries(ACCESS_MODES)
    .filter(([mode]) => present.has(mode))
    .map(([, short]) => short)
    .join(',');
}

/**
 * A view from a list of column names, a trailing `*` meaning wide output only and `:integer` or `:date` another type than
 * string, and a function that gives the cells after the name.
 */
export function view(names: readonly string[], cells: (object: KubeObject, nowMs: number) => unknown[]): TableView {
  const columns = names.map((name): TableColumn => {
    const [title = '', type = 'string'] = name.replace('*', '').split(':');
    return column(title, type, '', '', name.includes('*') ? 1 : 0);
  });
  return {
    columns: [NAME_COLUMN, ...columns],
    cells: (object, nowMs) => [object.metadata.name ?? '', ...cells(object, nowMs)],
  };
}

export function column(name: string, type: string, format = '', description = '', priority = 0): TableColumn {
  return { name, type, format, description, priority };
}

export const NAME_COLUMN = column('Name', 'string', 'name', 'Unique among the objects of its kind in a namespace.');
