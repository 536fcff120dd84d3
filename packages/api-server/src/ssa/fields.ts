import { isObject } from '@godwit/core/json';
import { parseJson, stringifyJson } from '@godwit/store';

/**
 * A set of fields as a tree. Keys are those of the wire form `FieldsV1`: `f:<name>` for members, `k:<json>` for items of
 * keyed lists, `v:<json>` for items of sets. `self` says whether the node's own path belongs to the set.
 */
export interface Fields {
  readonly self: boolean;
  readonly children: ReadonlyMap<string, Fields>;
}

export const NO_FIELDS: Fields = { self: false, children: new Map() };
export const LEAF: Fields = { self: true, children: new Map() };

export function isEmpty(fields: Fields): boolean {
  return !fields.self && fields.children.size === 0;
}

/** A node without the children that hold nothing. */
export function fieldsOf(self: boolean, children: Iterable<readonly [string, Fields]>): Fields {
  return { self, children: new Map([...children].filter(([, child]) => !isEmpty(child))) };
}

/** Reads the wire form: `{}` is a field itself, and `.` inside an object says that it belongs too. */
export function fromFieldsV1(wire: unknown): Fields {
  return readNode(wire, true);
}

function readNode(wire: unknown, isRoot: boolean): Fields {
  if (!isObject(wire)) return NO_FIELDS;
  const keys = Object.keys(wire).filter((key) => key !== '.');
  return fieldsOf(
    Object.hasOwn(wire, '.') || (keys.length === 0 && !isRoot),
    keys.map((key) => [key, readNode(wire[key], false)]),
  );
}

export function toFieldsV1(fields: Fields): Record<string, unknown> {
  const members = [...fields.children]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, child]): [string, unknown] => [key, toFieldsV1(child)]);
  return Object.fromEntries(fields.self && members.length > 0 ? [['.', {}], ...members] : members);
}

export function union(a: Fields, b: Fields): Fields {
  const keys = new Set([...a.children.keys(), ...b.children.keys()]);
  return fieldsOf(
    a.self || b.self,
    [...keys].map((key) => [key, union(a.children.get(key) ?? NO_FIELDS, b.children.get(key) ?? NO_FIELDS)]),
  );
}

/** Fields of `a` that are not in `b`. */
export function difference(a: Fields, b: Fields): Fields {
  return fieldsOf(
    a.self && !b.self,
    [...a.children].map(([key, child]) => [key, difference(child, b.children.get(key) ?? NO_FIELDS)]),
  );
}

/** Fields of `a` that are neither in `b` nor below a field of `b`. */
export function differenceBelow(a: Fields, b: Fields): Fields {
  if (b.self && b.children.size === 0) return NO_FIELDS;
  return fieldsOf(
    a.self && !b.self,
    [...a.children].map(([key, child]) => [key, differenceBelow(child, b.children.get(key) ?? NO_FIELDS)]),
  );
}

export function intersection(a: Fields, b: Fields): Fields {
  return fieldsOf(
    a.self && b.self,
    [...a.children].map(([key, child]) => [key, intersection(child, b.children.get(key) ?? NO_FIELDS)]),
  );
}

/** The set with every parent of its fields added. */
export function withParents(fields: Fields): Fields {
  return fieldsOf(
    fields.self || fields.children.size > 0,
    [...fields.children].map(([key, child]) => [key, withParents(child)]),
  );
}

/** Every field as users read it, such as `.spec.items[name="i1"].v`. */
export function fieldPaths(fields: Fields, prefix = ''): string[] {
  const below = [...fields.children].flatMap(([key, child]) => fieldPaths(child, `${prefix}${pathElement(key)}`));
  return fields.self ? [prefix, ...below] : below;
}

function pathElement(key: string): string {
  const text = key.slice(2);
  if (key.startsWith('f:')) return `.${text}`;
  if (key.startsWith('v:')) return `[=${text}]`;
  const keys: unknown = parseJson(text);
  const pairs = isObject(keys) ? Object.entries(keys) : [];
  return `[${pairs.map(([name, value]) => `${name}=${stringifyJson(value)}`).join(',')}]`;
}
