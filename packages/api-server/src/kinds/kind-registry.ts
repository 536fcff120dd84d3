import { builtInKinds } from './builtin-kinds.ts';
import { asCrd } from './crd-types.ts';
import { compareVersions, customKinds } from './custom-kind.ts';
import type { ServedKind } from './served-kind.ts';
import { isTrue } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';

interface Registered {
  readonly spec: unknown;
  readonly kinds: readonly ServedKind[];
  readonly changed: AbortController;
}

/** What this server serves now: the built-in kinds and those of established CRDs. */
export class KindRegistry {
  readonly #byPath = new Map<string, ServedKind>();
  readonly #custom = new Map<string, Registered>();
  readonly #historyStarts = new Map<string, number>();
  #generation = 0;
  #sorted: readonly ServedKind[] | undefined;

  constructor() {
    for (const kind of builtInKinds) this.#byPath.set(pathOf(kind), kind);
  }

  /** Rises with every change; discovery and OpenAPI documents are cached by it. */
  get generation(): number {
    return this.#generation;
  }

  find(group: string, version: string, plural: string): ServedKind | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** By plural whatever the version; the preferred version when there are several. */
  findAny(group: string, plural: string): ServedKind | undefined {
    return this.kinds().find((kind) => kind.group === group && kind.plural === plural);
  }

  findByStoreKey(storeKey: string): ServedKind | undefined {
    return this.kinds().find((kind) => kind.storeKey === storeKey);
  }

  /** Built-in groups first, then custom ones by name; within a group, best version first. */
  kinds(): readonly ServedKind[] {
    this.#sorted ??= [...this.#byPath.values()].toSorted((a, b) => {
      if (a.custom !== b.custom) return a.custom ? 1 : -1;
      if (!a.custom || a.group === b.group) return a.group === b.group ? compareVersions(a.version, b.version) : 0;
      return a.group < b.group ? -1 : 1;
    });
    return this.#sorted;
  }

  hasGroupVersion(group: string, version: string): boolean {
    return this.kinds().some((kind) => kind.group === group && kind.version === version);
  }

  /** Aborted when the CRD behind this kind changes or goes; never for built-in kinds. */
  changeSignal(kind: ServedKind): AbortSignal | undefined {
    return this.#custom.get(`${kind.plural}.${kind.group}`)?.changed.signal;
  }

  /** Serves an established CRD, or stops serving it. Returns whether anything changed. */
  observeCrd(name: string, object: KubeObject | undefined): boolean {
    const crd = object === undefined ? undefined : asCrd(object);
    const established = crd !== undefined && isTrue(crd.status?.conditions, 'Established');
    const old = this.#custom.get(name);
    if (established && old && jsonEqual(old.spec, crd.spec)) return false;
    if (!established && !old) return false;
    if (old) {
      for (const kind of old.kinds) this.#byPath.delete(pathOf(kind));
      this.#custom.delete(name);
    }
    if (established) {
      const historyStart = this.#historyStarts.get(crd.metadata.uid ?? '') ?? Number(crd.metadata.resourceVersion ?? 0);
      this.#historyStarts.set(crd.metadata.uid ?? '', historyStart);
      const kinds = customKinds(crd, historyStart);
      for (const kind of kinds) this.#byPath.set(pathOf(kind), kind);
      this.#custom.set(name, { spec: crd.spec, kinds, changed: new AbortController() });
    }
    this.#generation += 1;
    this.#sorted = undefined;
    old?.changed.abort();
    return true;
  }
}

function pathOf(kind: ServedKind): string {
  return `${kind.group}/${kind.version}/${kind.plural}`;
}
