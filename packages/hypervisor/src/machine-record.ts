import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '@godwit/core/json';
import { MACHINE_FILES } from './qemu-arguments.ts';
import type { ProcessIdentity } from '@godwit/core/process-identity';
import type { LaunchOptions } from './contract/hypervisor.ts';

/** What a later process of ours needs to take a machine up again; lies in its directory. */
export interface MachineRecord {
  readonly version: 1;
  readonly options: LaunchOptions;
  /** Absent from just before the process starts until just after. */
  readonly process?: ProcessIdentity;
  /** A disk that is just coming or going: only QEMU knows how far that is. */
  readonly changing?: { readonly disk: string; readonly to: 'attached' | 'detached' };
}

/** Durable when it resolves: the old or the new record survives a crash, never half of one. */
export async function writeMachineRecord(record: MachineRecord): Promise<void> {
  const { directory } = record.options;
  const path = join(directory, MACHINE_FILES.record);
  {
    await using file = await open(`${path}.new`, 'w', 0o600);
    await file.writeFile(`${JSON.stringify(record, undefined, 2)}\n`);
    await file.sync();
  }
  await rename(`${path}.new`, path);
  await using parent = await open(directory, 'r');
  await parent.sync();
}

export async function readMachineRecord(directory: string): Promise<MachineRecord | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, MACHINE_FILES.record), 'utf8');
  } catch (error) {
    if (isObject(error) && error['code'] === 'ENOENT') return undefined;
    throw error;
  }
  // The cast is safe: only `writeMachineRecord` writes that file, and never half of it.
  return JSON.parse(text) as MachineRecord;
}
