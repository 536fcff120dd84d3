import { systemClock } from '@godwit/core/clock';
import type { Clock } from '@godwit/core/clock';
import { createMemoryLog } from './memory-log.ts';
import { createStoreOver } from './object-store.ts';
import { createSqliteLog } from './sqlite-log.ts';
import type { ObjectStore } from './types.ts';

export interface StoreOptions {
  readonly clock?: Clock;
  /**
   * Where revisions of a fresh store begin. The default is the time in milliseconds, so that a store made anew answers
   * "too old" to clients of its predecessor instead of silence.
   */
  readonly initialRevision?: number;
}

export function createMemoryStore(options: StoreOptions = {}): ObjectStore {
  const clock = options.clock ?? systemClock;
  return createStoreOver(createMemoryLog(options.initialRevision ?? clock.now()), clock);
}

/**
 * Opens the SQLite file at `path`, or makes it. Only one process may have it open: a second one throws after 5 s.
 * Throws `STORE_FORMAT` when another version of Godwit wrote it.
 */
export function openSqliteStore(path: string, options: StoreOptions = {}): ObjectStore {
  const clock = options.clock ?? systemClock;
  return createStoreOver(createSqliteLog(path, options.initialRevision ?? clock.now()), clock);
}
