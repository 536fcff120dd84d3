import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, namesIn, removeDurably, writeDurably } from '../host/files.ts';
import type { MachineRecord, MachineRecords } from '../launcher/record.ts';
import type { MigrationIdentity } from '../migration/types.ts';

/** Which API objects an executor works for: what its own journal does not know. Written before it starts. */
export interface MoveRecord {
  readonly role: 'source' | 'target' | 'in-place';
  readonly identity: MigrationIdentity;
  readonly migrationUid: string;
  /** Where progress is reported. */
  readonly migrationName: string;
  readonly pod: MachineRecord['pod'];
  readonly vmi: MachineRecord['vmi'];
  readonly crossCluster: boolean;
}

/** A pod takes part in one migration at a time; its directory holds the record. */
export interface MoveRecords {
  write(record: MoveRecord): Promise<void>;
  remove(podUid: string): Promise<void>;
  list(): Promise<readonly MoveRecord[]>;
}

export function createMoveRecords(machines: MachineRecords, root: string): MoveRecords {
  const fileOf = (podUid: string): string => join(machines.directoryOf(podUid), 'move.json');
  return {
    write: (record) => writeDurably(fileOf(record.pod.uid), `${JSON.stringify(record, undefined, 1)}\n`),
    async remove(podUid) {
      if (await exists(fileOf(podUid))) await removeDurably(fileOf(podUid));
    },
    async list() {
      const records: MoveRecord[] = [];
      for (const podUid of await namesIn(root)) {
        if (!(await exists(fileOf(podUid)))) continue;
        // The cast is safe: only `write` above makes this file, atomically.
        records.push(JSON.parse(await readFile(fileOf(podUid), 'utf8')) as MoveRecord);
      }
      return records;
    },
  };
}
