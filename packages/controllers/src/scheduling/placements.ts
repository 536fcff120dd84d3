import { isTrue } from '@godwit/api';
import type { Node, Pod } from '@godwit/api';
import { compareText } from '@godwit/core/compare-text';
import { nodeSelected, podRuleBroken, preference } from './affinity.ts';
import type { PlacedPod } from './affinity.ts';
import { load, requestsOf, shortages, sum } from './resources.ts';
import { claimObstacle, volumeConflict } from './volumes.ts';
import type { PodClaim } from './volumes.ts';

const UNSELECTED = "node(s) didn't match Pod's node affinity/selector";

/** Guests on their way to nodes, where the cluster limits how many a node takes in at a time. */
export interface Inbound {
  readonly limit: number;
  /** Node name to guests on their way there, the pod's own not counted. */
  readonly arriving: ReadonlyMap<string, number>;
}

export interface PlacementInput {
  readonly pod: Pod;
  readonly nodes: readonly Node[];
  /** Pods that hold resources: on a node and not finished. */
  readonly placed: readonly PlacedPod[];
  readonly claims: readonly PodClaim[];
  /** Set for pods that take in a guest. */
  readonly inbound?: Inbound;
}

/** Where a pod could go, and why not elsewhere. Reasons are kube-scheduler's words. */
export interface Placements {
  readonly total: number;
  /** Names of the nodes that could take the pod, best first. */
  readonly fitting: readonly string[];
  /** Stands in the way on every node, whatever the node. */
  readonly obstacle: string | undefined;
  readonly refusals: ReadonlyMap<string, readonly string[]>;
}

/** The one place that knows which nodes a pod fits. */
export function placements(input: PlacementInput): Placements {
  const { pod, nodes, placed, claims } = input;
  const refusals = new Map<string, readonly string[]>();
  const total = nodes.length;
  const obstacle = claimObstacle(claims);
  if (obstacle !== undefined) return { total, fitting: [], obstacle, refusals };
  const fitting: { name: string; wanted: number; load: number; pods: number }[] = [];
  const wanted = requestsOf(pod);
  for (const node of nodes) {
    const name = node.metadata.name ?? '';
    const here = placed.filter((one) => one.node.metadata.name === name);
    const used = sum(here.map((one) => requestsOf(one.pod)));
    const reasons = nodeObstacles(input, node) ?? shortages(node, used, wanted);
    if (reasons.length > 0) refusals.set(name, reasons);
    else fitting.push({ name, wanted: preference(pod, node, placed), load: load(node, used), pods: here.length });
  }
  fitting.sort((a, b) => b.wanted - a.wanted || a.load - b.load || a.pods - b.pods || compareText(a.name, b.name));
  return { total, fitting: fitting.map(({ name }) => name), obstacle, refusals };
}

/** kube-scheduler's summary: how many nodes have which reason. */
export function summary({ total, obstacle, refusals }: Placements): string {
  if (total === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const reasons of refusals.values())
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const listed = [...counts].map(([reason, count]) => `${count} ${reason}`).toSorted();
  return `0/${total} nodes are available: ${obstacle ?? listed.join(', ')}.`;
}

const SHOWN = 8;

/** Node by node why a guest cannot go there, for somebody who has to put it right. `source` is where it runs. */
export function explain({ pod, nodes }: PlacementInput, found: Placements, source: string): string {
  if (found.total === 0) return 'the cluster has no nodes';
  if (found.obstacle !== undefined) return found.obstacle;
  const each = nodes.flatMap((node) => {
    const name = node.metadata.name ?? '';
    const reasons = found.refusals.get(name);
    if (!reasons) return [];
    if (name === source && reasons.some((reason) => reason.includes('anti-affinity')))
      return [`${name} is where the guest runs`];
    const labels = node.metadata.labels ?? {};
    const lacking = Object.entries(pod.spec.nodeSelector ?? {}).filter(([key, value]) => labels[key] !== value);
    const needs = lacking.map(([key, value]) => `${key}=${value}`).join(', ');
    if (reasons.includes(UNSELECTED) && needs !== '') return [`${name} lacks label ${needs}`];
    return [`${name} ${reasons.map(inSingular).join(' and ')}`];
  });
  const more = each.length > SHOWN ? `; ${each.length - SHOWN} more` : '';
  return `${found.fitting.length}/${found.total} nodes can take the guest in: ${each.slice(0, SHOWN).join('; ')}${more}`;
}

function inSingular(reason: string): string {
  if (!reason.startsWith('node(s) ')) return `has ${reason}`;
  return reason
    .slice('node(s) '.length)
    .replace(/^were /, 'is ')
    .replace(/^had /, 'has ');
}

/** The first thing about a node that forbids it, whatever is free on it; `undefined` when only resources matter. */
function nodeObstacles(input: PlacementInput, node: Node): string[] | undefined {
  const { pod, placed, claims, nodes, inbound } = input;
  if (node.metadata.deletionTimestamp !== undefined) return ['node(s) were being deleted'];
  if (node.spec?.unschedulable === true) return ['node(s) were unschedulable'];
  if (!isTrue(node.status?.conditions, 'Ready')) return ['node(s) were not ready'];
  const taint = (node.spec?.taints ?? []).find((one) => one.effect !== 'PreferNoSchedule' && !tolerated(pod, one));
  if (taint) return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`];
  if (!nodeSelected(pod, node)) return [UNSELECTED];
  const broken = podRuleBroken(pod, node, placed) ?? volumeConflict(claims, node, nodes);
  if (broken !== undefined) return [broken];
  const arriving = inbound?.arriving.get(node.metadata.name ?? '') ?? 0;
  return inbound && arriving >= inbound.limit ? ['node(s) took in enough migrations'] : undefined;
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
