import type { Entry, EventType, StoreEvent, StoreKey } from './types.ts';
import type { StoreObject } from './types.ts';

/** An event as the log keeps it. */
export interface LogRecord extends StoreKey {
  readonly revision: number;
  readonly type: EventType;
  /** Revision of the event before this one on the same object; 0 for ADDED. */
  readonly previousRevision: number;
  readonly atMs: number;
  readonly value: StoreObject;
}

/** The durable half of a store: an append-only table of events. */
export interface EventLog {
  /** Newest revision ever given out, the compaction mark, and what exists now. */
  load(): { revision: number; compactedRevision: number; objects: Entry[] };
  /** Appends all or nothing; durable when it returns. */
  append(records: readonly LogRecord[]): void;
  /** Events with `after < revision`, oldest first. */
  read(after: number, resource: string | undefined): Iterable<StoreEvent>;
  /** Objects of a resource as they were at `revision`, in any order. */
  snapshot(resource: string, revision: number): Entry[];
  /** Newest revision that was written before `atMs`, or 0. */
  revisionBefore(atMs: number): number;
  /** Drops superseded and deleted objects' events up to `revision`, and remembers the mark. */
  compact(revision: number): void;
  close(): void;
}
