import type { Clock } from '@godwit/core/clock';
import { StoreError } from './errors.ts';
import type { EventLog, LogRecord } from './event-log.ts';
import { deepFreeze } from './freeze.ts';
import { compareEntries, ObjectIndex } from './object-index.ts';
import { RETENTION } from './types.ts';
import type { Change, Entry, ObjectStore, Snapshot, StoreEvent, StoreKey, StoreObject, WatchOptions } from './types.ts';

/** After how many new events a compaction is worth its while. */
const COMPACT_EVERY = 1000;

interface Pending {
  readonly record: LogRecord;
  readonly previous: StoreObject | undefined;
  readonly resolve: (entry: Entry) => void;
  readonly reject: (error: unknown) => void;
}

interface Watcher {
  readonly resource: string | undefined;
  readonly namespace: string;
  /** Only later events are for this watcher. */
  readonly after: number;
  readonly onEvent: (event: StoreEvent) => void;
}

const keyText = (key: StoreKey): string => `${key.resource}\0${key.namespace}\0${key.name}`;

/**
 * The store over a log. Writes of one turn of the event loop share one commit; until then they are seen by later
 * writes (for conflicts), but by no reader.
 */
class LogStore implements ObjectStore {
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly #index = new ObjectIndex();
  readonly #watchers = new Set<Watcher>();
  #batch: Pending[] = [];
  /** Keys touched by the batch; `undefined` means deleted. */
  readonly #uncommitted = new Map<string, Entry | undefined>();
  #revision: number;
  #nextRevision: number;
  #compacted: number;
  #compactAt: number;
  #closed = false;
  #closing: (() => void) | undefined;

  constructor(log: EventLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    const loaded = log.load();
    for (const entry of loaded.objects) this.#index.put(entry);
    this.#revision = loaded.revision;
    this.#nextRevision = loaded.revision + 1;
    this.#compacted = loaded.compactedRevision;
    this.#compactAt = loaded.revision + COMPACT_EVERY;
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  get(key: StoreKey): Entry | undefined {
    return this.#index.get(key);
  }

  list(resource: string, namespace = ''): Snapshot {
    return { revision: this.#revision, items: this.#index.list(resource, namespace) };
  }

  listAt(resource: string, revision: number, namespace = ''): Snapshot {
    if (revision > this.#revision) {
      throw new StoreError(
        'STORE_FUTURE_REVISION',
        `Revision ${revision} has not happened; the newest is ${this.#revision}`,
      );
    }
    if (revision === this.#revision) return this.list(resource, namespace);
    this.#refuseCompacted(revision);
    const items = this.#log
      .snapshot(resource, revision)
      .filter((entry) => namespace === '' || entry.namespace === namespace);
    return { revision, items: items.toSorted(compareEntries) };
  }

  write(change: Change): Promise<Entry> {
    if (this.#closed) return Promise.reject(new StoreError('STORE_CLOSED', 'The store is closed'));
    const text = keyText(change);
    const current = this.#uncommitted.has(text) ? this.#uncommitted.get(text) : this.#index.get(change);
    const found = current?.revision;
    const expected = change.do === 'create' ? undefined : change.expected;
    if (found !== expected) {
      const where = `${change.resource} ${change.namespace}/${change.name}`;
      const conflict = new StoreError(
        'STORE_CONFLICT',
        `${where} is at revision ${found ?? 'none'}, not ${expected ?? 'none'}`,
        { details: { found, expected } },
      );
      // Told only once the other write can be read: who reads again and retries at once would else never let it commit.
      return this.#uncommitted.has(text)
        ? this.#committed().then(() => Promise.reject(conflict))
        : Promise.reject(conflict);
    }
    const revision = this.#nextRevision++;
    // The cast is safe: without a current object `found` is undefined, and then only `create` comes this far.
    const base = change.do === 'delete' ? (change.value ?? (current as Entry).value) : change.value;
    const value = deepFreeze({ ...base, metadata: { ...base.metadata, resourceVersion: String(revision) } });
    const { resource, namespace, name } = change;
    const type = change.do === 'create' ? 'ADDED' : change.do === 'update' ? 'MODIFIED' : 'DELETED';
    const record: LogRecord = {
      resource,
      namespace,
      name,
      revision,
      type,
      previousRevision: found ?? 0,
      atMs: this.#clock.now(),
      value,
    };
    this.#uncommitted.set(text, type === 'DELETED' ? undefined : { resource, namespace, name, revision, value });
    return new Promise((resolve, reject) => {
      if (this.#batch.length === 0) setImmediate(() => this.#commit());
      this.#batch.push({ record, previous: current?.value, resolve, reject });
    });
  }

  /** Resolves after the batch under way: immediates run in the order in which they were asked for. */
  #committed(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  watch(options: WatchOptions): () => void {
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'The store is closed');
    const namespace = options.namespace ?? '';
    const from = options.fromRevision ?? this.#revision;
    if (from < this.#revision) {
      this.#refuseCompacted(from);
      for (const event of this.#log.read(from, options.resource)) {
        if (namespace === '' || event.namespace === namespace) options.onEvent(event);
      }
    }
    const after = Math.max(from, this.#revision);
    const watcher: Watcher = { resource: options.resource, namespace, after, onEvent: options.onEvent };
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  byUid(uid: string): Entry | undefined {
    return this.#index.byUid(uid);
  }

  ownedBy(uid: string): readonly Entry[] {
    return this.#index.ownedBy(uid);
  }

  resources(): readonly string[] {
    return this.#index.resources();
  }

  compact(): void {
    const old = this.#log.revisionBefore(this.#clock.now() - RETENTION.ms);
    const mark = Math.min(old, this.#revision - RETENTION.events);
    if (mark <= this.#compacted) return;
    this.#log.compact(mark);
    this.#compacted = mark;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#batch.length > 0) await new Promise<void>((resolve) => (this.#closing = resolve));
    this.#watchers.clear();
    this.#log.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refuseCompacted(revision: number): void {
    if (revision >= this.#compacted) return;
    throw new StoreError('STORE_COMPACTED', `Revision ${revision} is too old; history starts after ${this.#compacted}`);
  }

  #commit(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#uncommitted.clear();
    try {
      this.#log.append(batch.map((pending) => pending.record));
    } catch (error) {
      // Nobody has seen these revisions, so they may be given out again.
      this.#nextRevision = this.#revision + 1;
      for (const pending of batch) pending.reject(error);
      this.#closing?.();
      return;
    }
    for (const { record } of batch) {
      if (record.type === 'DELETED') this.#index.remove(record);
      else this.#index.put(record);
      this.#revision = record.revision;
    }
    for (const { record, previous, resolve } of batch) {
      const event: StoreEvent = { ...record, previous };
      for (const watcher of this.#watchers) {
        if (watcher.resource !== undefined && watcher.resource !== record.resource) continue;
        if (watcher.namespace !== '' && watcher.namespace !== record.namespace) continue;
        if (record.revision > watcher.after) watcher.onEvent(event);
      }
      resolve(record);
    }
    if (this.#revision >= this.#compactAt) {
      this.#compactAt = this.#revision + COMPACT_EVERY;
      this.compact();
    }
    this.#closing?.();
  }
}

export function createStoreOver(log: EventLog, clock: Clock): ObjectStore {
  return new LogStore(log, clock);
}
