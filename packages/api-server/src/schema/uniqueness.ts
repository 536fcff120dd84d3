import { isObject } from '@godwit/core/json';
import { stringifyJson } from '@godwit/store';
import type { JsonSchema } from './types.ts';

/**
 * Items that repeat an earlier one in a `set` (same value) or `map` (same keys) list. Lists with a patch merge key belong
 * to built-in kinds, where the API server leaves uniqueness to each kind (a container may name a variable twice).
 */
export function duplicates(schema: JsonSchema, list: readonly unknown[]): { index: number; shownKey: string }[] {
  const listType = schema['x-kubernetes-list-type'];
  if ((listType !== 'set' && listType !== 'map') || schema['x-kubernetes-patch-merge-key'] !== undefined) return [];
  const seen = new Set<string>();
  const found: { index: number; shownKey: string }[] = [];
  for (const [index, item] of list.entries()) {
    const shownKey = canonical(listType === 'map' ? mapKey(schema, item) : item);
    if (seen.has(shownKey)) found.push({ index, shownKey });
    seen.add(shownKey);
  }
  return found;
}

function mapKey(schema: JsonSchema, item: unknown): unknown {
  const entries = (schema['x-kubernetes-list-map-keys'] ?? []).map((key) => {
    const value = isObject(item) ? item[key] : undefined;
    return [key, value ?? schema.items?.properties?.[key]?.default ?? null];
  });
  return Object.fromEntries(entries);
}

/** JSON text that does not depend on the order of keys. */
function canonical(value: unknown): string {
  return stringifyJson(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, sorted(member)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
