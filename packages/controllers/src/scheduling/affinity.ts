import { names } from '@godwit/api';
import type { LabelSelector, Node, Pod } from '@godwit/api';
import { requirementHolds, selectorMatches } from './label-selector.ts';
import type { Requirement } from './label-selector.ts';

interface NodeSelectorTerm {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

interface PodAffinityTerm {
  readonly labelSelector?: LabelSelector;
  readonly topologyKey: string;
  readonly namespaces?: readonly string[];
  readonly namespaceSelector?: LabelSelector;
}

interface PodAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[];
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight: number;
    readonly podAffinityTerm: PodAffinityTerm;
  }[];
}

/** `core/v1` Affinity, as pods carry it. */
export interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms: readonly NodeSelectorTerm[];
    };
    readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
      readonly weight: number;
      readonly preference: NodeSelectorTerm;
    }[];
  };
  readonly podAffinity?: PodAffinity;
  readonly podAntiAffinity?: PodAffinity;
}

export function affinityOf(pod: Pod): Affinity {
  // The cast is safe: pods come from the server, which checked the shape.
  return (pod.spec.affinity ?? {}) as Affinity;
}

function termHolds(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  // A term without any requirement matches nothing, as in Kubernetes.
  if (expressions.length + fields.length === 0) return false;
  const fieldValues = { 'metadata.name': node.metadata.name ?? '' };
  return (
    expressions.every((one) => requirementHolds(one, node.metadata.labels ?? {})) &&
    fields.every((one) => requirementHolds(one, fieldValues))
  );
}

/** `nodeSelector` and required node affinity. */
export function nodeSelected(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const exact = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const required = affinityOf(pod).nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return exact && (!required || required.nodeSelectorTerms.some((term) => termHolds(term, node)));
}

/** A pod with the node it is on. */
export interface PlacedPod {
  readonly pod: Pod;
  readonly node: Node;
}

function topologyOf(node: Node, key: string): string | undefined {
  return node.metadata.labels?.[key] ?? (key === names.hostnameLabel ? node.metadata.name : undefined);
}

function meets(term: PodAffinityTerm, of: Pod, other: Pod): boolean {
  const everywhere = term.namespaceSelector !== undefined;
  const namespaces = term.namespaces ?? [of.metadata.namespace ?? ''];
  return (
    (everywhere || namespaces.includes(other.metadata.namespace ?? '')) &&
    selectorMatches(term.labelSelector, other.metadata.labels ?? {})
  );
}

function neighbours(term: PodAffinityTerm, pod: Pod, node: Node, placed: readonly PlacedPod[]): boolean {
  const here = topologyOf(node, term.topologyKey);
  return (
    here !== undefined &&
    placed.some((one) => topologyOf(one.node, term.topologyKey) === here && meets(term, pod, one.pod))
  );
}

/** Which rule between pods forbids the node, in kube-scheduler's words. */
export function podRuleBroken(pod: Pod, node: Node, placed: readonly PlacedPod[]): string | undefined {
  const { podAffinity, podAntiAffinity } = affinityOf(pod);
  const anti = podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  if (anti.some((term) => neighbours(term, pod, node, placed))) return "node(s) didn't match pod anti-affinity rules";
  const wanted = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const missing = wanted.some((term) => {
    if (neighbours(term, pod, node, placed)) return false;
    // The first pod of a group that wants to be together may go anywhere.
    const first = meets(term, pod, pod) && !placed.some((one) => meets(term, pod, one.pod));
    return !first;
  });
  if (missing) return "node(s) didn't match pod affinity rules";
  // Anti-affinity also holds the other way round: pods that are here may refuse the newcomer.
  const refused = placed.some((one) =>
    (affinityOf(one.pod).podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).some(
      (term) =>
        meets(term, one.pod, pod) &&
        topologyOf(one.node, term.topologyKey) !== undefined &&
        topologyOf(one.node, term.topologyKey) === topologyOf(node, term.topologyKey),
    ),
  );
  return refused ? "node(s) didn't satisfy existing pods anti-affinity rules" : undefined;
}

/** Sum of the weights of preferences that the node meets; broken anti-preferences count against it. */
export function preference(pod: Pod, node: Node, placed: readonly PlacedPod[]): number {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinityOf(pod);
  let score = 0;
  for (const one of nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    if (termHolds(one.preference, node)) score += one.weight;
  for (const one of podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    if (neighbours(one.podAffinityTerm, pod, node, placed)) score += one.weight;
  for (const one of podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    if (neighbours(one.podAffinityTerm, pod, node, placed)) score -= one.weight;
  return score;
}
