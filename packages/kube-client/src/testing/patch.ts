import { isObject, jsonEqual } from '@godwit/core/json';
import type { JsonPatchOperation } from '../types.ts';

/** RFC 7396. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** RFC 6902 without `move` and `copy`. Changes `target`; returns what is wrong with the patch, if anything. */
export function jsonPatch(target: unknown, operations: readonly JsonPatchOperation[]): string | undefined {
  for (const { op, path, value } of operations) {
    const steps = path
      .split('/')
      .slice(1)
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop();
    if (last === undefined) return `the root cannot be patched`;
    let parent: unknown = target;
    for (const step of steps) parent = child(parent, step);
    const problem = apply(parent, last, op, value);
    if (problem !== undefined) return `${op} ${path}: ${problem}`;
  }
  return undefined;
}

function child(parent: unknown, step: string): unknown {
  if (Array.isArray(parent)) return parent[Number(step)];
  return isObject(parent) ? parent[step] : undefined;
}

function apply(parent: unknown, key: string, op: JsonPatchOperation['op'], value: unknown): string | undefined {
  const now = child(parent, key);
  if (op === 'test') return jsonEqual(now, value) ? undefined : 'test failed';
  if (Array.isArray(parent)) {
    const at = key === '-' ? parent.length : Number(key);
    if (op === 'add') parent.splice(at, 0, value);
    else if (at >= parent.length) return 'no such element';
    else if (op === 'remove') parent.splice(at, 1);
    else parent[at] = value;
    return undefined;
  }
  if (!isObject(parent)) return 'the parent does not exist';
  if (op !== 'add' && now === undefined) return 'the value does not exist';
  if (op === 'remove') delete parent[key];
  else parent[key] = value;
  return undefined;
}
