import { rfc3339 } from '@godwit/core/clock';
import type { Condition } from './meta.ts';

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

export function isFalse(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'False';
}

/**
 * The list with `wanted` in it. `lastTransitionTime` moves only when the status changes; reason and message are always
 * the newest (KubeVirt's helper keeps stale messages; we do not). Returns the same array when nothing changed.
 */
export function withCondition(
  conditions: readonly Condition[],
  wanted: Condition,
  nowMs: number,
): readonly Condition[] {
  const old = findCondition(conditions, wanted.type);
  if (old && old.status === wanted.status && old.reason === wanted.reason && old.message === wanted.message)
    return conditions;
  const lastTransitionTime =
    old?.status === wanted.status ? (old.lastTransitionTime ?? rfc3339(nowMs)) : rfc3339(nowMs);
  const next: Condition = { ...wanted, lastProbeTime: wanted.lastProbeTime ?? null, lastTransitionTime };
  return old ? conditions.map((condition) => (condition === old ? next : condition)) : [...conditions, next];
}

export function withoutCondition(conditions: readonly Condition[], type: string): readonly Condition[] {
  return findCondition(conditions, type) ? conditions.filter((condition) => condition.type !== type) : conditions;
}

/** `Ready` of a guest that is being ended, in KubeVirt's words: it may take its whole grace period to shut down. */
export const podTerminating = {
  type: 'Ready',
  status: 'False',
  reason: 'PodTerminating',
  message: 'virt-launcher pod is terminating',
} as const satisfies Condition;
