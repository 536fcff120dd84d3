import { requested } from '@godwit/api';
import type { Node, Pod } from '@godwit/api';
import { readQuantity } from '@godwit/core/quantity';

export interface Usage {
  readonly cpu: number;
  readonly memory: number;
  readonly pods: number;
}

/** Quantities are checked as they come in; one of before that cannot be read counts for nothing, and stops nobody else. */
function amount(text: string | undefined): number {
  return (text === undefined ? undefined : readQuantity(text)) ?? 0;
}

export function requestsOf(pod: Pod): Usage {
  return { cpu: requested(pod, 'cpu'), memory: requested(pod, 'memory'), pods: 1 };
}

export function sum(usages: readonly Usage[]): Usage {
  return usages.reduce(
    (all, one) => ({ cpu: all.cpu + one.cpu, memory: all.memory + one.memory, pods: all.pods + one.pods }),
    { cpu: 0, memory: 0, pods: 0 },
  );
}

/** What a node can hand out; a resource it does not mention is not limited. */
export function allocatable(node: Node): Usage {
  const offered = node.status?.allocatable ?? node.status?.capacity ?? {};
  const of = (name: string): number => (offered[name] === undefined ? Infinity : amount(offered[name]));
  return { cpu: of('cpu'), memory: of('memory'), pods: of('pods') };
}

/** Resources a node lacks for `wanted` beside what is used, in kube-scheduler's words. */
export function shortages(node: Node, used: Usage, wanted: Usage): string[] {
  const free = allocatable(node);
  const short: string[] = [];
  if (used.pods + wanted.pods > free.pods) short.push('Too many pods');
  if (wanted.cpu > 0 && used.cpu + wanted.cpu > free.cpu + 1e-9) short.push('Insufficient cpu');
  if (wanted.memory > 0 && used.memory + wanted.memory > free.memory) short.push('Insufficient memory');
  return short;
}

/** Share of the node in use, 0 to 1, the fuller of cpu and memory. */
export function load(node: Node, used: Usage): number {
  const total = allocatable(node);
  const share = (part: number, whole: number): number => (Number.isFinite(whole) && whole > 0 ? part / whole : 0);
  return Math.max(share(used.cpu, total.cpu), share(used.memory, total.memory));
}
