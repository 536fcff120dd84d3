import type { KubeObject, ObjectKey, ResourceKind, Stored } from '@godwit/api';
import type { ListOptions } from '@godwit/kube-client';

/** A local, always current copy of one kind. `get` and `list` never wait. */
export interface Cache<T extends KubeObject> {
  get(key: ObjectKey): Stored<T> | undefined;
  list(namespace?: string): Stored<T>[];
  /** Objects whose index function returned `value`. */
  byIndex(index: string, value: string): Stored<T>[];
}

/** Index name to the values of one object; an object may have none or many. */
export type Indexes<T extends KubeObject> = Readonly<Record<string, (object: Stored<T>) => readonly string[]>>;

export interface CacheOptions<T extends KubeObject = KubeObject> extends ListOptions {
  readonly indexes?: Indexes<T>;
}

export interface ReconcileResult {
  /** Look again after this many milliseconds even without an event. */
  readonly requeueAfterMs?: number;
}

export interface Reconciler {
  readonly name: string;
  /**
   * Level-based: gets only the key. Throwing retries with back-off (5 ms doubling to 30 s); an error with
   * `retry: 'never'` is logged and waits for the next event, one with `{afterMs}` for that time.
   */
  reconcile(key: ObjectKey): Promise<ReconcileResult | void>;
  /** Which events wake which keys. */
  readonly watches: readonly {
    readonly resource: ResourceKind;
    /** Called with the object before and after a change; must be cheap and must not throw. */
    readonly toKeys: (object: Stored<KubeObject>) => readonly ObjectKey[];
    /** Which cache of that resource; default: the only one declared, else one without selectors. */
    readonly from?: ListOptions;
  }[];
  /** How many keys at the same time; default 1. One key is never reconciled twice at once. */
  readonly concurrency?: number;
}
