import type { KubeObject, ObjectKey, ResourceKind, Stored } from '@godwit/api';

/** A local, always current copy of one kind. `get` and `list` never wait. */
export interface Cache<T extends KubeObject> {
  get(key: ObjectKey): Stored<T> | undefined;
  list(namespace?: string): Stored<T>[];
  /** Objects whose index function returned `value`. */
  byIndex(index: string, value: string): Stored<T>[];
}

export interface ReconcileResult {
  /** Look again after this many milliseconds even without an event. */
  readonly requeueAfterMs?: number;
}

export interface Reconciler {
  readonly name: string;
  /** Level-based: gets only the key. Throwing retries with back-off (5 ms doubling to 30 s). */
  reconcile(key: ObjectKey): Promise<ReconcileResult | void>;
  /** Which events wake which keys. */
  readonly watches: readonly {
    readonly resource: ResourceKind;
    readonly toKeys: (object: Stored<KubeObject>) => readonly ObjectKey[];
  }[];
}
