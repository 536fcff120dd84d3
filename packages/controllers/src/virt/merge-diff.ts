import { isObject, jsonEqual } from '@godwit/core/json';

/**
 * The JSON merge patch (RFC 7396) that turns `before` into `after`: only what differs, `null` for what is gone.
 * Undefined when nothing differs. Arrays are replaced whole.
 */
export function mergeDiff(before: unknown, after: unknown): Record<string, unknown> | undefined {
  const from = isObject(before) ? before : {};
  const to = isObject(after) ? after : {};
  const patch: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const old = from[key];
    const wanted = to[key];
    if (jsonEqual(old, wanted)) continue;
    if (wanted === undefined || wanted === null) patch[key] = null;
    else if (isObject(wanted) && isObject(old)) patch[key] = mergeDiff(old, wanted) ?? {};
    else patch[key] = wanted;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}
