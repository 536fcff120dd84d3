import { isObject } from '@godwit/core/json';
import { objectMetaSchema } from './builtin/object-meta.ts';
import { join, joinIndex } from './paths.ts';
import type { JsonSchema } from './types.ts';

const EMBEDDED: Readonly<Record<string, JsonSchema>> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: objectMetaSchema,
};

export interface PruneOptions {
  /**
   * Whether the root is a whole object, whose `apiVersion`, `kind` and `metadata` belong there even when the schema
   * does not list them (`metadata` is then held to the ObjectMeta schema). Default true.
   */
  readonly preserveRoot?: boolean;
}

/**
 * Drops fields the schema does not know, drops nulls of fields that are not nullable, then fills defaults into objects
 * that exist. Returns a new value and the dotted paths of the unknown fields; the given value is not touched.
 */
export function pruneAndDefault(
  schema: JsonSchema,
  value: unknown,
  opts: PruneOptions = {},
): { value: unknown; pruned: string[] } {
  const pruned: string[] = [];
  const isResource = opts.preserveRoot ?? true;
  return { value: walk(schema, value, '', isResource, pruned), pruned };
}

function walk(schema: JsonSchema, value: unknown, path: string, isResource: boolean, pruned: string[]): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) {
      // Without a schema for its items, only a list that may hold anything keeps them whole.
      if (schema['x-kubernetes-preserve-unknown-fields']) return value;
      return value.map((item, i) => walk({}, item, joinIndex(path, i), false, pruned));
    }
    return value.map((item, i) => {
      const filled = item === null && items.nullable !== true && items.default !== undefined ? items.default : item;
      return walk(items, filled, joinIndex(path, i), items['x-kubernetes-embedded-resource'] ?? false, pruned);
    });
  }
  return isObject(value) ? walkObject(schema, value, path, isResource, pruned) : value;
}

function walkObject(
  schema: JsonSchema,
  value: Record<string, unknown>,
  path: string,
  isResource: boolean,
  pruned: string[],
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  const keepUnknown = schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true;
  for (const [key, item] of Object.entries(value)) {
    const child = childSchema(schema, key, isResource);
    if (child === undefined) {
      if (keepUnknown) setMember(result, key, item);
      else pruned.push(join(path, key));
      continue;
    }
    if (item === null && child.nullable !== true) continue;
    setMember(
      result,
      key,
      walk(child, item, join(path, key), child['x-kubernetes-embedded-resource'] ?? false, pruned),
    );
  }
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    if (child.default === undefined || Object.hasOwn(result, key)) continue;
    result[key] = walk(
      child,
      structuredClone(child.default),
      join(path, key),
      child['x-kubernetes-embedded-resource'] ?? false,
      pruned,
    );
  }
  return result;
}

function childSchema(schema: JsonSchema, key: string, isResource: boolean): JsonSchema | undefined {
  if (isResource && key === 'metadata' && schema.properties?.['metadata']?.properties === undefined) {
    return objectMetaSchema;
  }
  const { properties, additionalProperties } = schema;
  if (properties && Object.hasOwn(properties, key)) return properties[key];
  if (isResource && Object.hasOwn(EMBEDDED, key)) return EMBEDDED[key];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** Plain assignment would turn a member called `__proto__` into a prototype. */
function setMember(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}
