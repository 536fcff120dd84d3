import { DatabaseSync } from 'node:sqlite';
import { deepFreeze } from './freeze.ts';
import { parseJson, stringifyJson } from './lossless-json.ts';
import { StoreError } from './errors.ts';
import type { EventLog } from './event-log.ts';
import type { Entry, EventType, StoreEvent, StoreObject } from './types.ts';

const FORMAT = 1;
const TYPES = ['ADDED', 'MODIFIED', 'DELETED'] as const satisfies readonly EventType[];

// An event does not repeat the old value: `previous` points to the row that holds it, and compaction keeps that row for
// as long as a row that points to it is within the kept history.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS event (
    revision INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    type INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    value TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS event_object ON event (resource, namespace, name, revision);
`;

const LATEST = (where: string): string => `
  SELECT event.revision, event.resource, event.namespace, event.name, event.value FROM event
  JOIN (SELECT MAX(revision) AS newest FROM event ${where} GROUP BY resource, namespace, name)
    ON event.revision = newest
  WHERE event.type <> 2`;

interface Row {
  readonly revision: number;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly type: number;
  readonly value: string;
  readonly previous_value: string | null;
}

function parse(text: string): StoreObject {
  // The cast is safe: only `append` writes the column, from a StoreObject.
  return deepFreeze(parseJson(text) as StoreObject);
}

function toEntry(row: Row): Entry {
  const { revision, resource, namespace, name } = row;
  return { revision, resource, namespace, name, value: parse(row.value) };
}

/**
 * The log as a SQLite table in WAL mode with `synchronous=FULL`: an acknowledged event survives the death of the
 * process and of the machine. NORMAL would be a fifth of the cost but could hand out revisions twice after a power cut;
 * group commit in the store makes FULL cheap enough.
 */
export function createSqliteLog(path: string, initialRevision: number): EventLog {
  const db = new DatabaseSync(path, { timeout: 5000 });
  db.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;');
  db.exec(SCHEMA);
  const readMeta = db.prepare('SELECT value FROM meta WHERE key = ?');
  const writeMeta = db.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  );
  const meta = (key: string): number | undefined => {
    const row = readMeta.get(key);
    return row === undefined ? undefined : Number(row['value']);
  };

  const format = meta('format');
  if (format !== undefined && format !== FORMAT) {
    db.close();
    throw new StoreError(
      'STORE_FORMAT',
      `The store at ${path} has format ${format}; this version reads format ${FORMAT}`,
    );
  }
  if (format === undefined) {
    writeMeta.run('compacted', initialRevision);
    writeMeta.run('format', FORMAT);
  }

  const insert = db.prepare(
    'INSERT INTO event (revision, resource, namespace, name, type, previous, at_ms, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const readAfter = (resource: string | undefined) =>
    db.prepare(
      `SELECT e.revision, e.resource, e.namespace, e.name, e.type, e.value, p.value AS previous_value
       FROM event e LEFT JOIN event p ON p.revision = e.previous
       WHERE e.revision > ? ${resource === undefined ? '' : 'AND e.resource = ?'} ORDER BY e.revision`,
    );
  const latestOf = db.prepare(LATEST('WHERE resource = ? AND revision <= ?'));
  const before = db.prepare('SELECT revision FROM event WHERE at_ms < ? ORDER BY revision DESC LIMIT 1');
  const prune = db.prepare(
    `DELETE FROM event WHERE revision <= ?1 AND (type = 2 OR EXISTS (
       SELECT 1 FROM event later WHERE later.resource = event.resource AND later.namespace = event.namespace
         AND later.name = event.name AND later.revision > event.revision AND later.revision <= ?1))`,
  );

  function transaction(work: () => void): void {
    db.exec('BEGIN IMMEDIATE');
    try {
      work();
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }

  // The casts of rows below are safe: the columns are those of the statements above.
  return {
    load() {
      const compactedRevision = meta('compacted') ?? initialRevision;
      const newest = Number(db.prepare('SELECT MAX(revision) AS newest FROM event').get()?.['newest'] ?? 0);
      const rows = db.prepare(LATEST('')).all() as unknown as Row[];
      return { revision: Math.max(newest, compactedRevision), compactedRevision, objects: rows.map(toEntry) };
    },
    append(records) {
      transaction(() => {
        for (const record of records) {
          insert.run(
            record.revision,
            record.resource,
            record.namespace,
            record.name,
            TYPES.indexOf(record.type),
            record.previousRevision,
            record.atMs,
            stringifyJson(record.value),
          );
        }
      });
    },
    *read(after, resource): Iterable<StoreEvent> {
      const parameters = resource === undefined ? [after] : [after, resource];
      for (const raw of readAfter(resource).iterate(...parameters)) {
        const row = raw as unknown as Row;
        const type = TYPES[row.type] ?? 'MODIFIED';
        const previous = row.previous_value === null ? undefined : parse(row.previous_value);
        yield { ...toEntry(row), type, previous };
      }
    },
    snapshot: (resource, revision) => (latestOf.all(resource, revision) as unknown as Row[]).map(toEntry),
    revisionBefore: (atMs) => Number(before.get(atMs)?.['revision'] ?? 0),
    compact(revision) {
      transaction(() => {
        prune.run(revision);
        writeMeta.run('compacted', revision);
      });
    },
    close: () => db.close(),
  };
}
