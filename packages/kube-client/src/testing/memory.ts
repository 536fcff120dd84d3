import { randomUUID } from 'node:crypto';
import { apiVersionOf, names, resources } from '@godwit/api';
import type { KubeObject, Pod, ResourceKind, Status, Stored } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { rfc3339, systemClock } from '@godwit/core/clock';
import { jsonEqual } from '@godwit/core/json';
import { apiError, KubeUnreachableError } from '../errors.ts';
import type { DeleteOptions, KubeClient, ListOptions, PatchBody, WatchEvent } from '../types.ts';
import { jsonPatch, mergePatch } from './patch.ts';
import { selected } from './selectors.ts';

export interface MemoryCall {
  readonly verb: 'get' | 'list' | 'create' | 'update' | 'patch' | 'delete' | 'request';
  readonly resource: ResourceKind;
  readonly name: string;
  readonly namespace: string;
  readonly subresource: string;
}

export interface MemoryKubeOptions {
  readonly clock?: Clock;
  /** Runs before every call; what it throws is what the caller gets. For faults on purpose. */
  readonly intercept?: (call: MemoryCall) => void;
}

/** A whole API server in memory, for unit tests of controllers: one history, any number of clients. */
export interface MemoryKube {
  readonly client: KubeClient;
  /** Objects as they are, status included, past all rules; what a test starts from. */
  seed(...objects: KubeObject[]): void;
  /** Resolves when all watch events and garbage collection caused so far have been delivered. */
  settled(): Promise<void>;
}

/** Kinds whose status is written through the object itself. */
const WITHOUT_STATUS = new Set<string>([
  'virtualmachineinstances',
  'configmaps',
  'secrets',
  'events',
  'leases',
  'serviceaccounts',
  'storageclasses',
]);
const INITIAL_STATUS: Readonly<Record<string, object>> = {
  pods: { phase: 'Pending' },
  persistentvolumeclaims: { phase: 'Pending' },
  persistentvolumes: { phase: 'Pending' },
  namespaces: { phase: 'Active' },
};
const PROTECTION: Readonly<Record<string, string>> = {
  persistentvolumeclaims: names.pvcProtectionFinalizer,
  persistentvolumes: names.pvProtectionFinalizer,
};

interface Entry {
  readonly resource: ResourceKind;
  readonly object: Stored<KubeObject>;
}

interface Watcher {
  readonly resource: ResourceKind;
  readonly selection: ListOptions;
  readonly onEvent: (event: WatchEvent<Stored<KubeObject>>) => void;
}

export function createMemoryKube(options: MemoryKubeOptions = {}): MemoryKube {
  const clock = options.clock ?? systemClock;
  const entries = new Map<string, Entry>();
  const watchers = new Set<Watcher>();
  let version = 0;
  let pending: Promise<void> = Promise.resolve();

  const later = (work: () => void): void => {
    pending = pending.then(work);
  };
  const idOf = (resource: ResourceKind, namespace: string, name: string): string =>
    `${resource.group}/${resource.plural}/${resource.namespaced ? namespace : ''}/${name}`;
  const entryId = ({ resource, object }: Entry): string =>
    idOf(resource, object.metadata.namespace ?? '', object.metadata.name);

  function tell(resource: ResourceKind, before: KubeObject | undefined, after: Stored<KubeObject>, gone = false): void {
    for (const watcher of watchers) {
      if (watcher.resource.plural !== resource.plural || watcher.resource.group !== resource.group) continue;
      const was = before !== undefined && selected(before, watcher.selection);
      const is = !gone && selected(after, watcher.selection);
      if (!was && !is) continue;
      const type = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED';
      const object = structuredClone(after);
      later(() => {
        if (watchers.has(watcher)) watcher.onEvent({ type, object });
      });
    }
  }

  function put(resource: ResourceKind, object: KubeObject, before: Stored<KubeObject> | undefined): Stored<KubeObject> {
    version += 1;
    const stored = structuredClone({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(version) },
    }) as Stored<KubeObject>;
    entries.set(entryId({ resource, object: stored }), { resource, object: stored });
    tell(resource, before, stored);
    return structuredClone(stored);
  }

  function remove(entry: Entry): void {
    entries.delete(entryId(entry));
    version += 1;
    const last = { ...entry.object, metadata: { ...entry.object.metadata, resourceVersion: String(version) } };
    tell(entry.resource, entry.object, last, true);
    later(() => collectDependents(entry.object.metadata.uid));
  }

  function collectDependents(ownerUid: string): void {
    for (const entry of entries.values()) {
      const owners = entry.object.metadata.ownerReferences ?? [];
      if (!owners.some((owner) => owner.uid === ownerUid)) continue;
      const alive = owners.some((owner) => [...entries.values()].some((one) => one.object.metadata.uid === owner.uid));
      if (!alive) startDeletion(entry, {});
    }
  }

  function startDeletion(entry: Entry, deletion: DeleteOptions): void {
    const { object, resource } = entry;
    const bound = resource.plural === 'pods' && (object as unknown as Pod).spec.nodeName !== undefined;
    const grace = bound ? (deletion.gracePeriodSeconds ?? 30) : 0;
    const finalizers = object.metadata.finalizers ?? [];
    if (finalizers.length === 0 && grace === 0) return remove(entry);
    if (object.metadata.deletionTimestamp !== undefined) return undefined;
    const deletionTimestamp = rfc3339(clock.now() + grace * 1000);
    const metadata = { ...object.metadata, deletionTimestamp, deletionGracePeriodSeconds: grace };
    put(resource, { ...object, metadata }, object);
    return undefined;
  }

  function refuse(status: number, reason: string, message: string, path: string): never {
    const body: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason };
    throw apiError('MEMORY', path, status, undefined, body);
  }

  function check(call: MemoryCall): string {
    options.intercept?.(call);
    return idOf(call.resource, call.namespace, call.name);
  }

  function existing(id: string): Entry {
    return entries.get(id) ?? refuse(404, 'NotFound', `${id} not found`, id);
  }

  /** Common end of update and patch: status rules, generation, finalizers, no-ops. */
  function replace(entry: Entry, wanted: KubeObject, subresource: string): Stored<KubeObject> {
    const { object: old, resource } = entry;
    const separate = !WITHOUT_STATUS.has(resource.plural);
    const id = entryId(entry);
    // `approval` of certificate requests is a second way to write status.
    const toStatus = subresource === 'status' || subresource === 'approval';
    if (toStatus && !separate) refuse(404, 'NotFound', `${id} has no status subresource`, id);
    const sentVersion = wanted.metadata.resourceVersion;
    if (sentVersion !== undefined && sentVersion !== '' && sentVersion !== old.metadata.resourceVersion) {
      refuse(409, 'Conflict', `the object has been modified: ${id}`, id);
    }
    const { status: oldStatus, ...oldRest } = old;
    const { status: newStatus, ...newRest } = wanted;
    const status = separate && !toStatus ? oldStatus : newStatus;
    const rest = toStatus ? oldRest : newRest;
    const fixed = (({ uid, creationTimestamp, name, namespace, deletionTimestamp, deletionGracePeriodSeconds }) => ({
      uid,
      creationTimestamp,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp, deletionGracePeriodSeconds }),
    }))(old.metadata);
    const metadata: Record<string, unknown> = { ...rest.metadata, ...fixed };
    metadata['generation'] = old.metadata.generation;
    metadata['resourceVersion'] = old.metadata.resourceVersion;
    const next = { ...rest, metadata, ...(status === undefined ? {} : { status }) } as unknown as Stored<KubeObject>;
    if (jsonEqual(next, old)) return structuredClone(old);
    const content = ({ metadata: _metadata, status: _status, ...other }: KubeObject): object => other;
    if (!jsonEqual(content(next), content(old))) metadata['generation'] = (old.metadata.generation ?? 1) + 1;
    const released = next.metadata.deletionTimestamp !== undefined && (next.metadata.finalizers ?? []).length === 0;
    if (released && (next.metadata.deletionGracePeriodSeconds ?? 0) === 0) {
      remove({ resource, object: next });
      return structuredClone(next);
    }
    return put(resource, next, old);
  }

  const client: KubeClient = {
    async get<T extends KubeObject>(resource: ResourceKind, name: string, namespace = '') {
      const id = check({ verb: 'get', resource, name, namespace, subresource: '' });
      return structuredClone(entries.get(id)?.object) as unknown as Stored<T> | undefined;
    },
    async list<T extends KubeObject>(resource: ResourceKind, selection: ListOptions = {}) {
      check({ verb: 'list', resource, name: '', namespace: selection.namespace ?? '', subresource: '' });
      const items = [...entries.values()]
        .filter((entry) => entry.resource.plural === resource.plural && entry.resource.group === resource.group)
        .filter((entry) => selected(entry.object, selection))
        .map((entry) => structuredClone(entry.object) as unknown as Stored<T>);
      return { items, resourceVersion: String(version) };
    },
    async create<T extends KubeObject>(resource: ResourceKind, object: T) {
      const generated = object.metadata.generateName;
      const name = object.metadata.name ?? (generated === undefined ? '' : generated + randomUUID().slice(0, 5));
      const namespace = object.metadata.namespace ?? '';
      const id = check({ verb: 'create', resource, name, namespace, subresource: '' });
      if (name === '') refuse(422, 'Invalid', 'name or generateName is required', id);
      if (resource.namespaced && namespace === '') refuse(400, 'BadRequest', 'namespace is required', id);
      if (entries.has(id)) refuse(409, 'AlreadyExists', `${id} already exists`, id);
      if (object.metadata.resourceVersion !== undefined) refuse(500, '', 'resourceVersion must not be set', id);
      const { status, ...rest } = object;
      const guard = PROTECTION[resource.plural];
      const finalizers = [...new Set([...(object.metadata.finalizers ?? []), ...(guard === undefined ? [] : [guard])])];
      const initial = WITHOUT_STATUS.has(resource.plural) ? status : INITIAL_STATUS[resource.plural];
      const fresh: KubeObject = {
        ...(rest as unknown as KubeObject),
        apiVersion: apiVersionOf(resource),
        kind: resource.kind,
        metadata: {
          ...object.metadata,
          name,
          uid: randomUUID(),
          generation: 1,
          creationTimestamp: rfc3339(clock.now()),
          ...(finalizers.length === 0 ? {} : { finalizers }),
        },
        ...(initial === undefined ? {} : { status: initial }),
      };
      return put(resource, fresh, undefined) as unknown as Stored<T>;
    },
    async update<T extends KubeObject>(resource: ResourceKind, object: T, subresource = '') {
      const { name = '', namespace = '' } = object.metadata;
      const id = check({ verb: 'update', resource, name, namespace, subresource });
      const typed = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
      return replace(existing(id), structuredClone(typed), subresource) as unknown as Stored<T>;
    },
    async patch<T extends KubeObject>(
      resource: ResourceKind,
      name: string,
      namespace: string,
      body: PatchBody,
      subresource = '',
    ) {
      const id = check({ verb: 'patch', resource, name, namespace, subresource });
      const entry = existing(id);
      let wanted: unknown = structuredClone(entry.object);
      if (body.type === 'merge') {
        wanted = mergePatch(wanted, JSON.parse(JSON.stringify(body.patch)));
      } else {
        const problem = jsonPatch(wanted, JSON.parse(JSON.stringify(body.patch)) as typeof body.patch);
        if (problem !== undefined) refuse(422, 'Invalid', problem, id);
      }
      return replace(entry, wanted as KubeObject, subresource) as unknown as Stored<T>;
    },
    async delete(resource, name, namespace = '', deletion = {}) {
      const entry = entries.get(check({ verb: 'delete', resource, name, namespace, subresource: '' }));
      if (!entry) return;
      const { uid, resourceVersion } = deletion.preconditions ?? {};
      if (uid !== undefined && uid !== entry.object.metadata.uid) return;
      if (resourceVersion !== undefined && resourceVersion !== entry.object.metadata.resourceVersion)
        refuse(409, 'Conflict', 'the precondition failed', name);
      startDeletion(entry, deletion);
    },
    async request(method, path, body) {
      const binding = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/binding$/.exec(path);
      if (method !== 'POST' || !binding) return refuse(404, 'NotFound', `${method} ${path} is not served`, path);
      const [, namespace = '', name = ''] = binding;
      const entry = existing(
        check({ verb: 'request', resource: resources.pods, name, namespace, subresource: 'binding' }),
      );
      const pod = structuredClone(entry.object) as unknown as Stored<Pod>;
      if (pod.spec.nodeName !== undefined) refuse(409, 'Conflict', `pod ${name} is already assigned to a node`, path);
      pod.spec.nodeName = (body as { target: { name: string } }).target.name;
      replace(entry, pod, '');
      return {};
    },
    watch<T extends KubeObject>(resource: ResourceKind, follow: Parameters<KubeClient['watch']>[1]) {
      const watcher: Watcher = {
        resource,
        selection: follow,
        onEvent: follow.onEvent as Watcher['onEvent'],
      };
      if (follow.signal.aborted) return;
      const present = new Set<string>();
      watchers.add(watcher);
      follow.signal.addEventListener('abort', () => watchers.delete(watcher));
      for (const entry of entries.values()) {
        if (entry.resource.plural !== resource.plural || entry.resource.group !== resource.group) continue;
        if (!selected(entry.object, follow)) continue;
        const object = structuredClone(entry.object) as unknown as Stored<T>;
        const { namespace = '', name } = object.metadata;
        present.add(namespace === '' ? name : `${namespace}/${name}`);
        later(() => watcher.onEvent({ type: 'ADDED', object: object as unknown as Stored<KubeObject> }));
      }
      const listedAt = String(version);
      later(() => {
        follow.onListed?.(present, listedAt);
        follow.onSynced?.();
      });
    },
    close: () => watchers.clear(),
  };

  return {
    client,
    seed(...objects) {
      for (const object of objects) {
        const resource = Object.values(resources).find(
          (one) => one.kind === object.kind && apiVersionOf(one) === object.apiVersion,
        );
        if (!resource) throw new KubeUnreachableError(`Unknown kind ${object.kind}`, { method: 'SEED', path: '' });
        const { name = '', namespace = '' } = object.metadata;
        const before = entries.get(idOf(resource, namespace, name))?.object;
        const metadata = {
          uid: `uid-${name}`,
          generation: 1,
          creationTimestamp: rfc3339(clock.now()),
          ...object.metadata,
        };
        put(resource, { ...object, metadata }, before);
      }
    },
    async settled() {
      for (let seen; seen !== pending;) {
        seen = pending;
        await seen;
      }
    },
  };
}
