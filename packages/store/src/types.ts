/** The part of an object that the store itself looks at; everything else is carried along untouched. */
export interface StoreObject {
  readonly metadata: {
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly ownerReferences?: readonly { readonly uid: string }[];
  };
}

/** Where an object lives. `namespace` is empty for cluster-scoped objects. */
export interface StoreKey {
  /** Group and plural in one word, as `resourceKey` makes it. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** One object at one revision. `value` is deeply frozen and its `metadata.resourceVersion` is `revision`. */
export interface Entry extends StoreKey {
  readonly revision: number;
  readonly value: StoreObject;
}

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One line of the log. For DELETED, `value` is the last state, stamped with the revision of the deletion. */
export interface StoreEvent extends Entry {
  readonly type: EventType;
  /** What the object was before; absent for ADDED. */
  readonly previous: StoreObject | undefined;
}

/**
 * A wished write. `expected` is the revision the object must have (`create`: it must not exist); when it has another,
 * the write rejects with `STORE_CONFLICT`.
 */
export type Change =
  | (StoreKey & { readonly do: 'create'; readonly value: StoreObject })
  | (StoreKey & { readonly do: 'update'; readonly expected: number; readonly value: StoreObject })
  /** `value`: the last state to report, when it differs from the stored one (its finalizers are gone, say). */
  | (StoreKey & { readonly do: 'delete'; readonly expected: number; readonly value?: StoreObject });

export interface WatchOptions {
  /** Absent: every resource. */
  readonly resource?: string;
  /** Absent or empty: every namespace. */
  readonly namespace?: string;
  /** Report every event with a greater revision, the ones already in the log first. Absent: only what comes. */
  readonly fromRevision?: number;
  /**
   * Called in revision order, without gaps or repetitions; for past events before `watch` returns. Must not throw,
   * and must not write to the store synchronously.
   */
  readonly onEvent: (event: StoreEvent) => void;
}

export interface Snapshot {
  /** Everything up to this revision is in `items`, nothing later is. */
  readonly revision: number;
  /** By namespace, then name, bytewise. */
  readonly items: readonly Entry[];
}

/**
 * Objects with one strictly increasing revision over all resources, kept as a log of events.
 * Reads answer from memory and show only what is durable. Revisions never repeat, restarts included.
 */
export interface ObjectStore {
  /** Revision of the newest durable event. */
  readonly revision: number;
  /** History up to here is gone; snapshots at it are still possible, snapshots before it are not. */
  readonly compactedRevision: number;
  get(key: StoreKey): Entry | undefined;
  list(resource: string, namespace?: string): Snapshot;
  /**
   * The list as it was at `revision`. Throws `STORE_COMPACTED` when that is too old and `STORE_FUTURE_REVISION` when
   * it has not happened.
   */
  listAt(resource: string, revision: number, namespace?: string): Snapshot;
  /** Resolves when the event is durable and visible. Rejects with `STORE_CONFLICT`; nothing has changed then. */
  write(change: Change): Promise<Entry>;
  /** Starts a watch; the returned function ends it. Throws `STORE_COMPACTED` when `fromRevision` is too old. */
  watch(options: WatchOptions): () => void;
  byUid(uid: string): Entry | undefined;
  /** Objects that name `uid` in their ownerReferences. */
  ownedBy(uid: string): readonly Entry[];
  /** Names of the resources that hold at least one object. */
  resources(): readonly string[];
  /** Drops history that nobody may ask for any more (see `RETENTION`). Also done by itself now and then. */
  compact(): void;
  /** Finishes pending writes and closes; later calls reject or throw `STORE_CLOSED`. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How much history outlives a compaction, whatever the load: both bounds hold. */
export const RETENTION = { ms: 5 * 60_000, events: 1000 } as const;

/** `pods`, or `virtualmachines.kubevirt.io` when there is a group. */
export function resourceKey(group: string, plural: string): string {
  return group === '' ? plural : `${plural}.${group}`;
}
