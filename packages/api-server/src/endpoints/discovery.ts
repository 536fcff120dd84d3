import { createHash } from 'node:crypto';
import { negotiateDiscovery } from '../http/accept.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendUnknownPath, sendValue } from '../http/reply.ts';
import type { KindRegistry } from '../kinds/kind-registry.ts';
import type { SubresourceGroup } from '../plugins.ts';
import { discoveryGroups } from './discovery-model.ts';
import type { DiscoveryGroup, DiscoveryResource } from './discovery-model.ts';

function groupVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

function apiGroup(group: DiscoveryGroup, typed: boolean): object {
  const versions = group.versions.map(({ version }) => ({ groupVersion: groupVersion(group.name, version), version }));
  const typeMeta = typed ? { kind: 'APIGroup', apiVersion: 'v1' } : {};
  return { ...typeMeta, name: group.name, versions, preferredVersion: versions[0] };
}

function storageVersionHash(resource: DiscoveryResource, group: string, version: string): string {
  const text = `${group}/${version}/${resource.kind}`;
  return createHash('sha256').update(text).digest().subarray(0, 8).toString('base64');
}

function legacyResources(group: DiscoveryGroup, version: string, resources: readonly DiscoveryResource[]): object {
  const entries = resources.flatMap((resource) => {
    if (resource.bare)
      return [{ name: resource.plural, singularName: '', namespaced: resource.namespaced, kind: '', verbs: [] }];
    const own = {
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: resource.verbs,
      ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
      ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
      ...(resource.verbs.includes('get')
        ? { storageVersionHash: storageVersionHash(resource, group.name, version) }
        : {}),
    };
    const subs = resource.subresources.map((sub) => ({
      name: `${resource.plural}/${sub.name}`,
      singularName: '',
      namespaced: resource.namespaced,
      ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs,
    }));
    return [own, ...subs];
  });
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: groupVersion(group.name, version),
    resources: entries,
  };
}

function aggregatedResource(group: string, version: string, resource: DiscoveryResource): object {
  const own = { group, version, kind: resource.kind };
  return {
    resource: resource.plural,
    responseKind: group === '' ? { group: '', version: '', kind: resource.kind } : own,
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
    ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
    ...(resource.subresources.length > 0
      ? {
          subresources: resource.subresources.map((sub) => ({
            subresource: sub.name,
            responseKind: {
              group: sub.group ?? group,
              version: sub.version ?? (group === '' ? '' : version),
              kind: sub.kind,
            },
            verbs: sub.verbs,
          })),
        }
      : {}),
  };
}

/** Legacy and aggregated discovery, always what the registry serves at that moment. */
export class Discovery {
  readonly #registry: KindRegistry;
  readonly #extra: readonly SubresourceGroup[];
  readonly #serverAddress: () => string;
  #cache:
    | { generation: number; groups: readonly DiscoveryGroup[]; bodies: Map<string, { body: object; etag: string }> }
    | undefined;

  constructor(registry: KindRegistry, extra: readonly SubresourceGroup[], serverAddress: () => string) {
    this.#registry = registry;
    this.#extra = extra;
    this.#serverAddress = serverAddress;
  }

  groups(): readonly DiscoveryGroup[] {
    return this.#current().groups;
  }

  /** Answers `/api`, `/apis` and what lies directly below; returns false for other paths. */
  async serve(exchange: Exchange): Promise<boolean> {
    const parts = exchange.path.replace(/\/$/, '').split('/').slice(1);
    const [root, name, version] = parts;
    if (root === 'api' && parts.length === 1) await this.#root(exchange, 'api');
    else if (root === 'apis' && parts.length === 1) await this.#root(exchange, 'apis');
    else if (root === 'api' && parts.length === 2 && name !== undefined) await this.#resources(exchange, '', name);
    else if (root === 'apis' && parts.length === 2) await this.#group(exchange, name ?? '');
    else if (root === 'apis' && parts.length === 3) await this.#resources(exchange, name ?? '', version ?? '');
    else return false;
    return true;
  }

  #current() {
    const generation = this.#registry.generation;
    if (this.#cache?.generation !== generation) {
      this.#cache = { generation, groups: discoveryGroups(this.#registry.kinds(), this.#extra), bodies: new Map() };
    }
    return this.#cache;
  }

  async #root(exchange: Exchange, root: 'api' | 'apis'): Promise<void> {
    const version = negotiateDiscovery(exchange.header('accept'));
    exchange.sink.setHeader('Vary', 'Accept');
    if (version !== undefined) {
      await this.#aggregated(exchange, root, version);
    } else if (root === 'api') {
      const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress: this.#serverAddress() }];
      await sendValue(exchange, 200, { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs });
    } else {
      const groups = this.groups().filter((group) => group.name !== '');
      const list = groups.map((group) => apiGroup(group, false));
      await sendValue(exchange, 200, { kind: 'APIGroupList', apiVersion: 'v1', groups: list });
    }
  }

  async #aggregated(exchange: Exchange, root: 'api' | 'apis', version: string): Promise<void> {
    const { groups, bodies } = this.#current();
    const key = `${root} ${version}`;
    let found = bodies.get(key);
    if (!found) {
      const items = groups
        .filter((group) => (group.name === '') === (root === 'api'))
        .map((group) => ({
          metadata: { ...(group.name === '' ? {} : { name: group.name }), creationTimestamp: null },
          versions: group.versions.map((one) => ({
            version: one.version,
            freshness: 'Current',
            resources: one.resources
              .filter((resource) => !resource.bare)
              .map((resource) => aggregatedResource(group.name, one.version, resource)),
          })),
        }));
      const body = { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
      const etag = `"${createHash('sha256').update(JSON.stringify(body)).digest('hex').toUpperCase()}"`;
      found = { body, etag };
      bodies.set(key, found);
    }
    exchange.sink.setHeader('ETag', found.etag);
    exchange.sink.setHeader('Cache-Control', 'public');
    const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    if (exchange.header('if-none-match') === found.etag) await exchange.sink.send(304, contentType, '');
    else await exchange.sink.send(200, contentType, JSON.stringify(found.body));
  }

  async #group(exchange: Exchange, name: string): Promise<void> {
    const group = this.groups().find((one) => one.name === name && name !== '');
    if (group) await sendValue(exchange, 200, apiGroup(group, true));
    else await sendUnknownPath(exchange);
  }

  async #resources(exchange: Exchange, name: string, version: string): Promise<void> {
    const group = this.groups().find((one) => one.name === name);
    const found = group?.versions.find((one) => one.version === version);
    if (group && found) await sendValue(exchange, 200, legacyResources(group, version, found.resources));
    else await sendUnknownPath(exchange);
  }
}
