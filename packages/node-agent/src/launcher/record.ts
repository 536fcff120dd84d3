import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jsonEqual } from '@godwit/core/json';
import type { DiskBacking, Machine, MachineSpec } from '@godwit/hypervisor';
import { namesIn, removeDurably, writeDurably } from '../host/files.ts';

/** How a machine of this node came to its end. */
export interface MachineEnd {
  /** `migrated`: the guest lives elsewhere; this pod ends well and its VMI goes on. */
  readonly outcome: 'shutdown' | 'killed' | 'crashed' | 'migrated';
  readonly message: string;
  readonly atMs: number;
}

/** What this node durably knows about a launcher pod's machine. A pod starts at most one machine in its life. */
export interface MachineRecord {
  readonly version: 1;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly vmi: { readonly name: string; readonly uid: string };
  readonly spec: MachineSpec;
  readonly backings: readonly DiskBacking[];
  readonly runDirectory: string;
  /** `launching` is written before QEMU starts: after a crash it may or may not be there. */
  readonly state: 'launching' | 'launched' | 'ended';
  readonly pausedByUser?: boolean;
  /** Why this agent is ending the machine; written before it does. */
  readonly stopping?: string;
  readonly end?: MachineEnd;
}

/**
 * What of a record is to change so that it names the disks that the machine has, and no others; undefined when it does.
 * Whoever attached or detached a disk may have died before it was written down. Sizes are known here better than there.
 */
export async function alignedWith(
  record: MachineRecord,
  machine: Machine,
): Promise<Pick<MachineRecord, 'spec' | 'backings'> | undefined> {
  const has = machine.spec();
  const sizes = new Map(record.spec.disks.map(({ name, sizeBytes }) => [name, sizeBytes]));
  const disks = has.disks.map((disk) => ({ ...disk, sizeBytes: sizes.get(disk.name) ?? disk.sizeBytes }));
  const known = new Map(record.backings.map((backing) => [backing.name, backing]));
  const unknown = disks.some(({ name }) => !known.has(name));
  const open = new Map((unknown ? await machine.backings() : []).map((backing) => [backing.name, backing]));
  const backings = disks.flatMap(({ name }) => known.get(name) ?? open.get(name) ?? []);
  const spec = { ...record.spec, disks, ...(has.hotplug === undefined ? {} : { hotplug: has.hotplug }) };
  return jsonEqual([spec, backings], [record.spec, record.backings]) ? undefined : { spec, backings };
}

/** The records of one node, one directory per pod UID; the same directory holds the machine's ephemeral disks. */
export interface MachineRecords {
  directoryOf(podUid: string): string;
  read(podUid: string): Promise<MachineRecord | undefined>;
  write(record: MachineRecord): Promise<void>;
  /** Removes the directory with everything in it. */
  forget(podUid: string): Promise<void>;
  list(): Promise<MachineRecord[]>;
}

export function createMachineRecords(root: string): MachineRecords {
  const directoryOf = (podUid: string): string => join(root, podUid);
  async function read(podUid: string): Promise<MachineRecord | undefined> {
    try {
      // The cast is safe: only `write` below makes this file, atomically.
      return JSON.parse(await readFile(join(directoryOf(podUid), 'machine.json'), 'utf8')) as MachineRecord;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
  return {
    directoryOf,
    read,
    async write(record) {
      const directory = directoryOf(record.pod.uid);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeDurably(join(directory, 'machine.json'), `${JSON.stringify(record, undefined, 1)}\n`);
    },
    forget: (podUid) => removeDurably(directoryOf(podUid)),
    async list() {
      const all = await Promise.all((await namesIn(root)).map(read));
      return all.filter((record) => record !== undefined);
    },
  };
}
