import { withCondition } from '@godwit/api';
import type { Condition, Node } from '@godwit/api';

/** A node whose lease has not moved for this long is not known to be alive. */
export const GRACE_MS = 40_000;

/** When we saw the lease change last, by our own clock: clocks of nodes may differ. */
export interface LeaseSighting {
  readonly renewTime: string;
  readonly seenAt: number;
}

export type NodePlan =
  | { readonly do: 'wait'; readonly lookAgainMs: number }
  | { readonly do: 'mark-unknown'; readonly conditions: readonly Condition[] };

export function noteLease(old: LeaseSighting | undefined, renewTime: string, nowMs: number): LeaseSighting {
  return old?.renewTime === renewTime ? old : { renewTime, seenAt: nowMs };
}

/**
 * Whether a node is to be called unknown. Its pods are left alone whatever comes: the QEMU of a node whose agent is
 * silent may well be running, and a second one elsewhere would break its guest's disks.
 */
export function decideNode(node: Node, lease: LeaseSighting, nowMs: number): NodePlan {
  const silentMs = nowMs - lease.seenAt;
  if (silentMs <= GRACE_MS) return { do: 'wait', lookAgainMs: GRACE_MS - silentMs + 1 };
  const old = node.status?.conditions ?? [];
  const message = 'Kubelet stopped posting node status.';
  const conditions = withCondition(
    old,
    { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', message },
    nowMs,
  );
  return conditions === old ? { do: 'wait', lookAgainMs: GRACE_MS } : { do: 'mark-unknown', conditions };
}
