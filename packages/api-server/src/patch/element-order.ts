import { isObject, jsonEqual } from '@godwit/core/json';

/**
 * Sorts a merged list by a `$setElementOrder` directive. Elements the directive names take its order; the others, which
 * only the server knew, stay before the first named element that followed them on the server.
 */
export function orderElements(
  merged: readonly unknown[],
  before: readonly unknown[],
  order: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const keyOf = (item: unknown): unknown => (mergeKey !== undefined && isObject(item) ? item[mergeKey] : item);
  const positionIn = (list: readonly unknown[], item: unknown): number =>
    list.findIndex((other) => jsonEqual(keyOf(other), keyOf(item)));

  const named = merged
    .filter((item) => positionIn(order, item) >= 0)
    .toSorted((a, b) => positionIn(order, a) - positionIn(order, b));
  const others = merged.filter((item) => positionIn(order, item) < 0);
  const result: unknown[] = [];
  for (const item of named) {
    // A new element has position -1, so it comes before whatever is still waiting.
    const position = positionIn(before, item);
    while (others.length > 0 && positionIn(before, others[0]) < position) result.push(others.shift());
    result.push(item);
  }
  return [...result, ...others];
}
