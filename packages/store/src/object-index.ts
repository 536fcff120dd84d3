import type { Entry, StoreKey } from './types.ts';

export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function compareEntries(a: Entry, b: Entry): number {
  return compareBytes(a.namespace, b.namespace) || compareBytes(a.name, b.name);
}

/** What exists now, found by key, by uid and by owner. */
export class ObjectIndex {
  readonly #byResource = new Map<string, Map<string, Entry>>();
  readonly #byUid = new Map<string, Entry>();
  readonly #byOwner = new Map<string, Set<string>>();
  readonly #sorted = new Map<string, readonly Entry[]>();

  get(key: StoreKey): Entry | undefined {
    return this.#byResource.get(key.resource)?.get(`${key.namespace}/${key.name}`);
  }

  list(resource: string, namespace: string): readonly Entry[] {
    let sorted = this.#sorted.get(resource);
    if (sorted === undefined) {
      sorted = [...(this.#byResource.get(resource)?.values() ?? [])].toSorted(compareEntries);
      this.#sorted.set(resource, sorted);
    }
    return namespace === '' ? sorted : sorted.filter((entry) => entry.namespace === namespace);
  }

  byUid(uid: string): Entry | undefined {
    return this.#byUid.get(uid);
  }

  ownedBy(uid: string): Entry[] {
    const owned: Entry[] = [];
    for (const dependent of this.#byOwner.get(uid) ?? []) {
      const entry = this.#byUid.get(dependent);
      if (entry) owned.push(entry);
    }
    return owned;
  }

  resources(): string[] {
    return [...this.#byResource].filter(([, entries]) => entries.size > 0).map(([resource]) => resource);
  }

  put(entry: Entry): void {
    const old = this.get(entry);
    if (old) this.#forgetLinks(old);
    let entries = this.#byResource.get(entry.resource);
    if (entries === undefined) {
      entries = new Map();
      this.#byResource.set(entry.resource, entries);
    }
    entries.set(`${entry.namespace}/${entry.name}`, entry);
    this.#sorted.delete(entry.resource);
    const { uid, ownerReferences } = entry.value.metadata;
    if (uid === undefined) return;
    this.#byUid.set(uid, entry);
    for (const owner of ownerReferences ?? []) {
      const dependents = this.#byOwner.get(owner.uid) ?? new Set();
      this.#byOwner.set(owner.uid, dependents.add(uid));
    }
  }

  remove(key: StoreKey): void {
    const old = this.get(key);
    if (!old) return;
    this.#forgetLinks(old);
    this.#byResource.get(key.resource)?.delete(`${key.namespace}/${key.name}`);
    this.#sorted.delete(key.resource);
  }

  #forgetLinks(old: Entry): void {
    const { uid, ownerReferences } = old.value.metadata;
    if (uid === undefined) return;
    if (this.#byUid.get(uid) === old) this.#byUid.delete(uid);
    for (const owner of ownerReferences ?? []) {
      const dependents = this.#byOwner.get(owner.uid);
      dependents?.delete(uid);
      if (dependents?.size === 0) this.#byOwner.delete(owner.uid);
    }
  }
}
