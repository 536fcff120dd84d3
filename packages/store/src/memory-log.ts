import type { EventLog, LogRecord } from './event-log.ts';
import type { Entry, StoreEvent } from './types.ts';

/** The log as an array: forgets everything with the process. */
export function createMemoryLog(initialRevision: number): EventLog {
  let records: LogRecord[] = [];
  let compactedRevision = initialRevision;
  let revision = initialRevision;

  const keyOf = (record: LogRecord): string => `${record.resource}\0${record.namespace}\0${record.name}`;

  function stateAt(limit: number, resource?: string): LogRecord[] {
    const latest = new Map<string, LogRecord>();
    for (const record of records) {
      if (record.revision > limit) break;
      if (resource !== undefined && record.resource !== resource) continue;
      if (record.type === 'DELETED') latest.delete(keyOf(record));
      else latest.set(keyOf(record), record);
    }
    return [...latest.values()];
  }

  return {
    load: () => ({ revision, compactedRevision, objects: stateAt(revision) }),
    append(added) {
      for (const record of added) {
        records.push(record);
        revision = record.revision;
      }
    },
    *read(after, resource): Iterable<StoreEvent> {
      const byRevision = new Map(records.map((record) => [record.revision, record]));
      for (const record of records) {
        if (record.revision <= after) continue;
        if (resource !== undefined && record.resource !== resource) continue;
        yield { ...record, previous: byRevision.get(record.previousRevision)?.value };
      }
    },
    snapshot: (resource, limit): Entry[] => stateAt(limit, resource),
    revisionBefore: (atMs) => records.findLast((record) => record.atMs < atMs)?.revision ?? 0,
    compact(limit) {
      const kept = new Set(stateAt(limit));
      records = records.filter((record) => record.revision > limit || kept.has(record));
      compactedRevision = limit;
    },
    close: () => undefined,
  };
}
