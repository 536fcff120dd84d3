import { findCondition, withCondition } from '@godwit/api';
import type { VirtualMachineInstance } from '@godwit/api';
import type { InstancePlan } from './decide.ts';

/** KubeVirt's reason of `Synchronized=False` for a guest whose pod the API server does not let in. */
export const refusedReason = 'FailedCreate';

export function isRefused(vmi: VirtualMachineInstance): boolean {
  return findCondition(vmi.status?.conditions, 'Synchronized')?.reason === refusedReason;
}

/** The plan of a VMI whose pod was refused: it says so and waits. */
export function withRefusedPod(plan: InstancePlan, why: string, nowMs: number): InstancePlan {
  const { next } = plan;
  const message = `The pod of the guest cannot be created: ${why}`;
  const refused = { type: 'Synchronized', status: 'False' as const, reason: refusedReason, message };
  const conditions = [...withCondition(next.status?.conditions ?? [], refused, nowMs)];
  return { ...plan, next: { ...next, status: { ...next.status, conditions } } };
}
