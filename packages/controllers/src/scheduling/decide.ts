import { isTrue } from '@godwit/api';
import type { Node, Pod, Stored } from '@godwit/api';
import { nodeSelected, podRuleBroken, preference } from './affinity.ts';
import type { PlacedPod } from './affinity.ts';
import { load, requestsOf, shortages, sum } from './resources.ts';
import { claimObstacle, claimsToPlace, volumeConflict } from './volumes.ts';
import type { PodClaim } from './volumes.ts';

export interface SchedulingSeen {
  readonly pod: Stored<Pod>;
  readonly nodes: readonly Node[];
  /** Pods that hold resources: on a node and not finished. */
  readonly placed: readonly PlacedPod[];
  readonly claims: readonly PodClaim[];
}

export type SchedulingPlan =
  | { readonly do: 'bind'; readonly node: string; readonly placeClaims: readonly string[] }
  | { readonly do: 'wait'; readonly message: string };

/** Chooses the node of a pod, or says in kube-scheduler's words why there is none. */
export function decideScheduling(seen: SchedulingSeen): SchedulingPlan {
  const { pod, nodes, placed, claims } = seen;
  const total = nodes.length;
  const prefix = `0/${total} nodes are available`;
  if (total === 0) return { do: 'wait', message: 'no nodes available to schedule pods' };
  const obstacle = claimObstacle(claims);
  if (obstacle !== undefined) return { do: 'wait', message: `${prefix}: ${obstacle}.` };

  const counts = new Map<string, number>();
  const fitting: { name: string; wanted: number; load: number; pods: number }[] = [];
  const wanted = requestsOf(pod);
  for (const node of nodes) {
    const here = placed.filter((one) => one.node.metadata.name === node.metadata.name);
    const used = sum(here.map((one) => requestsOf(one.pod)));
    const reasons = nodeObstacles(seen, node) ?? shortages(node, used, wanted);
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    if (reasons.length > 0) continue;
    fitting.push({
      name: node.metadata.name ?? '',
      wanted: preference(pod, node, placed),
      load: load(node, used),
      pods: here.length,
    });
  }
  fitting.sort((a, b) => b.wanted - a.wanted || a.load - b.load || a.pods - b.pods || a.name.localeCompare(b.name));
  const best = fitting[0];
  if (best) return { do: 'bind', node: best.name, placeClaims: claimsToPlace(claims, best.name) };
  const listed = [...counts].map(([reason, count]) => `${count} ${reason}`).toSorted();
  return { do: 'wait', message: `${prefix}: ${listed.join(', ')}.` };
}

/** The first thing about a node that forbids it, whatever is free on it; `undefined` when only resources matter. */
function nodeObstacles(seen: SchedulingSeen, node: Node): string[] | undefined {
  const { pod, placed, claims, nodes } = seen;
  if (node.metadata.deletionTimestamp !== undefined) return ['node(s) were being deleted'];
  if (node.spec?.unschedulable === true) return ['node(s) were unschedulable'];
  if (!isTrue(node.status?.conditions, 'Ready')) return ['node(s) were not ready'];
  const taint = (node.spec?.taints ?? []).find((one) => one.effect !== 'PreferNoSchedule' && !tolerated(pod, one));
  if (taint) return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`];
  if (!nodeSelected(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  const broken = podRuleBroken(pod, node, placed) ?? volumeConflict(claims, node, nodes);
  return broken === undefined ? undefined : [broken];
}

interface Toleration {
  readonly key?: string;
  readonly operator?: 'Exists' | 'Equal';
  readonly value?: string;
  readonly effect?: string;
}

function tolerated(pod: Pod, taint: { key: string; value?: string; effect: string }): boolean {
  return ((pod.spec.tolerations ?? []) as Toleration[]).some(({ key, operator, value, effect }) => {
    if (effect !== undefined && effect !== '' && effect !== taint.effect) return false;
    if (key === undefined || key === '') return operator === 'Exists';
    return key === taint.key && (operator === 'Exists' || (value ?? '') === (taint.value ?? ''));
  });
}
