import { keyOf, keyString } from '@godwit/api';
import type { KubeObject, ObjectKey, ResourceKind, Stored } from '@godwit/api';
import type { KubeClient, ListOptions } from '@godwit/kube-client';
import type { Cache, CacheOptions, Indexes } from './types.ts';

/** `before` is absent for new objects, `after` for deleted ones. */
export interface Change {
  readonly before: Stored<KubeObject> | undefined;
  readonly after: Stored<KubeObject> | undefined;
}

/** How many deleted objects are remembered, to ignore late answers about them. */
const TOMBSTONES = 512;

/**
 * One watch and the copy it keeps. Besides the watch, answers to our own writes are taken in (`absorb`), so that a
 * reconciler that runs right after a write sees it; resourceVersions decide which of two copies is newer.
 */
export class Informer {
  readonly resource: ResourceKind;
  readonly selection: ListOptions;
  readonly #objects = new Map<string, Stored<KubeObject>>();
  readonly #buckets = new Map<string, Map<string, Map<string, Stored<KubeObject>>>>();
  readonly #indexers = new Map<string, (object: Stored<KubeObject>) => readonly string[]>();
  readonly #listeners: ((change: Change) => void)[] = [];
  readonly #tombstones = new Map<string, true>();
  readonly #synced: Promise<void>;
  #markSynced: () => void = () => undefined;
  #started = false;

  constructor(resource: ResourceKind, selection: ListOptions) {
    this.resource = resource;
    this.selection = selection;
    this.#synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
  }

  addIndexes(indexes: Indexes<KubeObject>): void {
    for (const [name, values] of Object.entries(indexes)) {
      this.#indexers.set(name, values);
      this.#buckets.set(name, new Map());
      for (const object of this.#objects.values()) this.#index(name, object);
    }
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
    for (const after of this.#objects.values()) listener({ before: undefined, after });
  }

  /** Begins to watch; later calls do nothing. Resolves when the first list is in. */
  start(client: KubeClient, signal: AbortSignal): Promise<void> {
    if (!this.#started) {
      this.#started = true;
      client.watch(this.resource, {
        ...this.selection,
        signal,
        onEvent: (event) => {
          if (event.type === 'DELETED') this.#remove(event.object);
          else {
            this.#tombstones.delete(event.object.metadata.uid);
            this.#put(event.object);
          }
        },
        onListed: (present, version) => this.#dropVanished(present, version),
        onSynced: () => this.#markSynced(),
      });
    }
    return this.#synced;
  }

  /** Takes in the answer to a write. Informers with selectors only update objects they already hold. */
  absorb(object: Stored<KubeObject>): void {
    const key = keyString(keyOf(object));
    const selective =
      (this.selection.labelSelector ?? '') !== '' ||
      (this.selection.fieldSelector ?? '') !== '' ||
      ((this.selection.namespace ?? '') !== '' && this.selection.namespace !== object.metadata.namespace);
    if (selective && !this.#objects.has(key)) return;
    if (this.#tombstones.has(object.metadata.uid)) return;
    this.#put(object);
  }

  view<T extends KubeObject>(): Cache<T> {
    // The casts are safe: the caller names the type of the resource it asked for.
    return {
      get: (key: ObjectKey) => this.#objects.get(keyString(key)) as Stored<T> | undefined,
      list: (namespace = '') => {
        const all = [...this.#objects.values()] as Stored<T>[];
        return namespace === '' ? all : all.filter((object) => object.metadata.namespace === namespace);
      },
      byIndex: (index, value) => [...(this.#buckets.get(index)?.get(value)?.values() ?? [])] as Stored<T>[],
    };
  }

  #put(object: Stored<KubeObject>): void {
    const key = keyString(keyOf(object));
    const before = this.#objects.get(key);
    if (before?.metadata.uid === object.metadata.uid && !isNewer(object, before)) return;
    if (before) this.#unindex(before);
    this.#objects.set(key, object);
    for (const name of this.#indexers.keys()) this.#index(name, object);
    this.#tell({ before, after: object });
  }

  #remove(object: Stored<KubeObject>): void {
    this.#tombstones.set(object.metadata.uid, true);
    for (const uid of this.#tombstones.keys()) {
      if (this.#tombstones.size <= TOMBSTONES) break;
      this.#tombstones.delete(uid);
    }
    const key = keyString(keyOf(object));
    const before = this.#objects.get(key);
    // A namesake that already took its place stays.
    if (!before || before.metadata.uid !== object.metadata.uid) return;
    this.#objects.delete(key);
    this.#unindex(before);
    this.#tell({ before, after: undefined });
  }

  /** After a relist: what we only know from our own writes and the list does not have, is gone. */
  #dropVanished(present: ReadonlySet<string>, version: string): void {
    for (const [key, object] of this.#objects) {
      if (!present.has(key) && compareVersions(object.metadata.resourceVersion, version) <= 0) this.#remove(object);
    }
  }

  #index(name: string, object: Stored<KubeObject>): void {
    const values = this.#indexers.get(name);
    const buckets = this.#buckets.get(name);
    if (!values || !buckets) return;
    const key = keyString(keyOf(object));
    for (const value of values(object)) {
      const bucket = buckets.get(value);
      if (bucket) bucket.set(key, object);
      else buckets.set(value, new Map([[key, object]]));
    }
  }

  #unindex(object: Stored<KubeObject>): void {
    const key = keyString(keyOf(object));
    for (const [name, values] of this.#indexers) {
      const buckets = this.#buckets.get(name);
      for (const value of values(object)) {
        const bucket = buckets?.get(value);
        bucket?.delete(key);
        if (bucket?.size === 0) buckets?.delete(value);
      }
    }
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A watch may also deliver an older copy (replayed after a reconnect); it must not hide what we know already. */
function isNewer(candidate: Stored<KubeObject>, known: Stored<KubeObject>): boolean {
  return compareVersions(candidate.metadata.resourceVersion, known.metadata.resourceVersion) > 0;
}

/** Order of two resourceVersions of one server; they are decimal numbers that may exceed 2^53. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sameSelection(a: ListOptions, b: ListOptions): boolean {
  return (
    (a.namespace ?? '') === (b.namespace ?? '') &&
    (a.labelSelector ?? '') === (b.labelSelector ?? '') &&
    (a.fieldSelector ?? '') === (b.fieldSelector ?? '')
  );
}

export function selectionOf(options: CacheOptions | ListOptions): ListOptions {
  const { namespace, labelSelector, fieldSelector } = options;
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}
