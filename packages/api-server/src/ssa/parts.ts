import { isObject } from '@godwit/core/json';
import { stringifyJson } from '@godwit/store';
import { objectMetaSchema } from '../schema/builtin/object-meta.ts';
import type { JsonSchema } from '../schema/types.ts';
import { ApplyError } from './errors.ts';

/** The members of a value that can be owned one by one; keys are those of `Fields`. */
export interface Parts {
  readonly kind: 'object' | 'list';
  readonly entries: ReadonlyMap<string, { readonly value: unknown; readonly schema: JsonSchema | undefined }>;
}

/** The schema of a whole object, with the metadata every object has. */
export function objectSchema(schema: JsonSchema | undefined): JsonSchema {
  return { ...schema, properties: { ...schema?.properties, metadata: objectMetaSchema } };
}

/**
 * Takes a value apart as its schema wants: maps by member unless atomic, lists by item when they are sets or keyed.
 * Undefined for what is owned as a whole, and that is also a list with two items of the same key.
 */
export function partsOf(value: unknown, schema: JsonSchema | undefined): Parts | undefined {
  if (isObject(value)) {
    if (schema?.['x-kubernetes-map-type'] === 'atomic') return undefined;
    const entries = Object.entries(value).map(
      ([key, item]) => [`f:${key}`, { value: item, schema: memberSchema(schema, key) }] as const,
    );
    return { kind: 'object', entries: new Map(entries) };
  }
  if (!Array.isArray(value)) return undefined;
  const listType = schema?.['x-kubernetes-list-type'];
  if (listType !== 'set' && listType !== 'map') return undefined;
  const entries = new Map<string, { value: unknown; schema: JsonSchema | undefined }>();
  for (const item of value) {
    const key = listType === 'set' ? `v:${stringifyJson(item)}` : `k:${itemKey(item, schema)}`;
    if (entries.has(key)) return undefined;
    entries.set(key, { value: item, schema: listType === 'set' ? undefined : schema?.items });
  }
  return { kind: 'list', entries };
}

/** Throws `ApplyError` when a list that is merged by item holds two items with the same key. */
export function refuseDuplicates(value: unknown, schema: JsonSchema | undefined): void {
  const listType = schema?.['x-kubernetes-list-type'];
  const parts = partsOf(value, schema);
  if (parts) for (const part of parts.entries.values()) refuseDuplicates(part.value, part.schema);
  else if (Array.isArray(value) && (listType === 'set' || listType === 'map')) {
    throw new ApplyError('A list in the applied configuration holds two items with the same key');
  }
}

/** The value whose parts these are. */
export function assemble(kind: Parts['kind'], entries: Iterable<readonly [string, unknown]>): unknown {
  if (kind === 'list') return Array.from(entries, ([, value]) => value);
  return Object.fromEntries(Array.from(entries, ([key, value]) => [key.slice(2), value]));
}

function memberSchema(schema: JsonSchema | undefined, key: string): JsonSchema | undefined {
  const { properties, additionalProperties } = schema ?? {};
  if (properties && Object.hasOwn(properties, key)) return properties[key];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

function itemKey(item: unknown, schema: JsonSchema | undefined): string {
  const keys = (schema?.['x-kubernetes-list-map-keys'] ?? []).toSorted();
  const pairs = keys.map((key) => {
    const value = isObject(item) ? item[key] : undefined;
    return [key, value ?? schema?.items?.properties?.[key]?.default];
  });
  return stringifyJson(Object.fromEntries(pairs.filter(([, value]) => value !== undefined)));
}
