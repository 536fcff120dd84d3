import { isObject, jsonEqual } from '@godwit/core/json';
import type { JsonSchema } from '../schema/types.ts';
import { PatchError } from './errors.ts';
import { orderElements } from './element-order.ts';

type Obj = Record<string, unknown>;

const ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/**
 * Applies a Kubernetes strategic merge patch and returns a new document. Lists are merged where the schema carries
 * `x-kubernetes-patch-strategy: merge`, by `x-kubernetes-patch-merge-key` when their items are objects, and replaced
 * elsewhere. Throws `PatchError`: 400 when the patch is no object, 500 for an unknown `$patch` or a missing merge key.
 */
export function applyStrategicMergePatch(doc: unknown, patch: unknown, schema: JsonSchema): unknown {
  if (!isObject(patch)) throw new PatchError(400, 'A strategic merge patch must be an object');
  return mergeMap(isObject(doc) ? doc : {}, patch, schema);
}

function mergeMap(original: Obj, patch: Obj, schema: JsonSchema | undefined): Obj {
  const directive = directiveOf(patch);
  if (directive === 'delete') return {};
  if (directive === 'replace') return withoutDirectives(patch);

  const result: Obj = { ...original };
  const retained = patch['$retainKeys'];
  if (retained !== undefined) {
    if (!Array.isArray(retained)) throw new PatchError(500, '$retainKeys must be a list');
    for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key];
  }

  const listFields = new Set<string>();
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key === '__proto__') continue;
    if (key.startsWith(ORDER)) listFields.add(key.slice(ORDER.length));
    else if (key.startsWith(DELETE_PRIMITIVES)) listFields.add(key.slice(DELETE_PRIMITIVES.length));
    else if (value === null) delete result[key];
    else if (Array.isArray(value)) listFields.add(key);
    else result[key] = mergeValue(result[key], value, childOf(schema, key));
  }
  for (const field of listFields) {
    const list = patchList(field, result[field], patch, childOf(schema, field));
    if (list !== undefined) result[field] = list;
  }
  return result;
}

function mergeValue(original: unknown, patch: unknown, schema: JsonSchema | undefined): unknown {
  if (!isObject(patch)) return structuredClone(patch);
  const replaced = strategies(schema).includes('replace');
  return mergeMap(isObject(original) && !replaced ? original : {}, patch, schema);
}

/** The new value of a list field that the patch names directly or in a directive; undefined leaves it absent. */
function patchList(
  field: string,
  original: unknown,
  patch: Obj,
  schema: JsonSchema | undefined,
): unknown[] | undefined {
  const changes = patch[field];
  if (changes === null) return undefined;
  if (changes !== undefined && !Array.isArray(changes)) return undefined;
  if (changes !== undefined && !strategies(schema).includes('merge')) return changes.map(cleaned);

  let list = Array.isArray(original) ? original : undefined;
  const removed = patch[`${DELETE_PRIMITIVES}${field}`];
  if (removed !== undefined) {
    if (!Array.isArray(removed)) throw new PatchError(500, `${DELETE_PRIMITIVES}${field} must be a list`);
    list = list?.filter((item) => !removed.some((gone) => jsonEqual(gone, item)));
  }
  const before = list ?? [];
  if (changes !== undefined) list = mergeList(before, changes, schema, field);
  const order = patch[`${ORDER}${field}`];
  if (order !== undefined && list !== undefined) {
    if (!Array.isArray(order)) throw new PatchError(500, `${ORDER}${field} must be a list`);
    list = orderElements(list, before, order, schema?.['x-kubernetes-patch-merge-key']);
  }
  return list;
}

function mergeList(original: unknown[], patch: unknown[], schema: JsonSchema | undefined, field: string): unknown[] {
  if (!patch.some(isObject)) {
    const fresh = patch.filter((item) => !original.some((old) => jsonEqual(old, item)));
    return [...original, ...new Set(fresh)];
  }
  if (patch.some((item) => isObject(item) && directiveOf(item) === 'replace')) {
    return patch.filter((item) => !isObject(item) || item['$patch'] === undefined).map(cleaned);
  }
  const mergeKey = schema?.['x-kubernetes-patch-merge-key'];
  if (mergeKey === undefined) throw new PatchError(500, `List ${field} has no merge key`);
  let result = [...original];
  for (const item of patch) {
    if (!isObject(item)) throw new PatchError(500, `List ${field} cannot hold both objects and plain values`);
    const key = item[mergeKey];
    if (key === undefined) throw new PatchError(500, `An element of ${field} has no merge key ${mergeKey}`);
    const isSame = (other: unknown): boolean => isObject(other) && jsonEqual(other[mergeKey], key);
    if (directiveOf(item) === 'delete') {
      result = result.filter((other) => !isSame(other));
      continue;
    }
    const at = result.findIndex(isSame);
    const old = result[at];
    if (isObject(old)) result[at] = mergeMap(old, item, schema?.items);
    else result.push(mergeMap({}, item, schema?.items));
  }
  return result;
}

function directiveOf(patch: Obj): 'delete' | 'replace' | 'merge' {
  const directive = patch['$patch'] ?? 'merge';
  if (directive === 'delete' || directive === 'replace' || directive === 'merge') return directive;
  throw new PatchError(500, `Unknown $patch directive ${JSON.stringify(directive)}`);
}

/** A copy of a value that is taken as it is: directives and null members are not data. */
function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned);
  return isObject(value) ? withoutDirectives(value) : value;
}

function withoutDirectives(map: Obj): Obj {
  const isData = ([key, value]: [string, unknown]): boolean =>
    value !== null &&
    key !== '$patch' &&
    key !== '$retainKeys' &&
    !key.startsWith(ORDER) &&
    !key.startsWith(DELETE_PRIMITIVES);
  return Object.fromEntries(
    Object.entries(map)
      .filter(isData)
      .map(([key, value]) => [key, cleaned(value)]),
  );
}

function childOf(schema: JsonSchema | undefined, key: string): JsonSchema | undefined {
  const property = schema?.properties?.[key];
  if (property) return property;
  return typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

function strategies(schema: JsonSchema | undefined): string[] {
  return schema?.['x-kubernetes-patch-strategy']?.split(',') ?? [];
}
