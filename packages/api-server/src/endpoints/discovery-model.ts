import type { ServedKind, Verb } from '../kinds/served-kind.ts';
import type { SubresourceGroup } from '../plugins.ts';
import { reviewKinds } from './review-kinds.ts';

export interface DiscoverySubresource {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
  readonly group?: string;
  readonly version?: string;
}

export interface DiscoveryResource {
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly DiscoverySubresource[];
  /** A group without stored objects lists only names. */
  readonly bare: boolean;
}

export interface DiscoveryGroup {
  readonly name: string;
  /** Best first. */
  readonly versions: { readonly version: string; readonly resources: DiscoveryResource[] }[];
}

function subresourcesOf(kind: ServedKind): DiscoverySubresource[] {
  const subresources: DiscoverySubresource[] = [];
  if (kind.hasStatus) subresources.push({ name: 'status', kind: kind.kind, verbs: ['get', 'patch', 'update'] });
  if (kind.scale) {
    const verbs: readonly Verb[] = ['get', 'patch', 'update'];
    subresources.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs });
  }
  return [...subresources, ...kind.subresources];
}

/** Everything that discovery lists, group by group. */
export function discoveryGroups(kinds: readonly ServedKind[], extra: readonly SubresourceGroup[]): DiscoveryGroup[] {
  const groups = new Map<string, DiscoveryGroup>();
  const versionOf = (group: string, version: string): DiscoveryResource[] => {
    let found = groups.get(group);
    if (!found) groups.set(group, (found = { name: group, versions: [] }));
    let entry = found.versions.find((one) => one.version === version);
    if (!entry) found.versions.push((entry = { version, resources: [] }));
    return entry.resources;
  };
  for (const kind of kinds) {
    const { plural, singular, namespaced, verbs, shortNames, categories } = kind;
    const subresources = subresourcesOf(kind);
    versionOf(kind.group, kind.version).push({
      plural,
      singular,
      kind: kind.kind,
      namespaced,
      verbs,
      shortNames,
      categories,
      subresources,
      bare: false,
    });
  }
  for (const { group, version, plural, kind, namespaced } of reviewKinds) {
    versionOf(group, version).push({
      plural,
      singular: kind.toLowerCase(),
      kind,
      namespaced,
      verbs: ['create'],
      shortNames: [],
      categories: [],
      subresources: [],
      bare: false,
    });
  }
  for (const { group, versions, resources } of extra) {
    for (const version of versions) {
      const list = versionOf(group, version);
      for (const { name, namespaced, creates } of resources) {
        list.push({
          plural: name,
          singular: creates?.singular ?? '',
          kind: creates?.kind ?? '',
          namespaced,
          verbs: creates ? ['create'] : [],
          shortNames: creates?.shortNames ?? [],
          categories: [],
          subresources: [],
          bare: creates === undefined,
        });
      }
    }
  }
  return [...groups.values()];
}
