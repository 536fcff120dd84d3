import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../host/directories.ts';
import type { MachineRecords } from './record.ts';

/** Where machines have their sockets: short paths, linked from the directories of their records. */
export interface RunDirectories {
  of(podUid: string): string;
  make(podUid: string): Promise<string>;
  remove(podUid: string): Promise<void>;
}

export function createRunDirectories(root: string, records: MachineRecords): RunDirectories {
  const of = (podUid: string): string => join(root, podUid);
  return {
    of,
    async make(podUid) {
      await makePrivateDirectory(root);
      await makePrivateDirectory(of(podUid));
      const link = join(records.directoryOf(podUid), 'run');
      await mkdir(records.directoryOf(podUid), { recursive: true, mode: 0o700 });
      await rm(link, { force: true });
      await symlink(of(podUid), link);
      return of(podUid);
    },
    remove: (podUid) => rm(of(podUid), { recursive: true, force: true }),
  };
}
