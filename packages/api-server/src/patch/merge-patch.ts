import { isObject } from '@godwit/core/json';
import { PatchError } from './errors.ts';

/** Applies an RFC 7396 merge patch and returns a new document. Throws `PatchError` 400 when the patch is no object. */
export function applyMergePatch(doc: unknown, patch: unknown): unknown {
  if (!isObject(patch)) throw new PatchError(400, 'A merge patch must be an object');
  return merge(doc, patch);
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return structuredClone(patch);
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') continue;
    if (value === null) delete result[key];
    else result[key] = merge(Object.hasOwn(result, key) ? result[key] : undefined, value);
  }
  return result;
}
