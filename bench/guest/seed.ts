import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { oracleUserData } from '@godwit/guest';
import type { GuestLoad } from '../plan.ts';
import { command } from '../run-command.ts';

export const dataSerial = 'oracle';

/** What the guest is told to do. */
export function userData(load: GuestLoad, runId: string, reportPort: number): string {
  return oracleUserData({
    runId,
    reportPort,
    diskSerial: dataSerial,
    writesPerSecond: load.writesPerSecond,
    memoryMib: load.workingSetMib,
    ballastMib: load.ballastMib,
    dirtyMibPerSecond: load.dirtyMibPerSecond,
  });
}

/** A FAT volume labelled `cidata` that holds the user-data, for guests that nobody else makes one for. */
export async function makeSeed(directory: string, name: string, text: string): Promise<string> {
  const image = join(directory, `${name}.img`);
  const file = join(directory, `${name}-user-data`);
  await writeFile(file, text);
  await rm(image, { force: true });
  await command('mformat', '-C', '-i', image, '-f', '1440', '-v', 'cidata', '::');
  await command('mcopy', '-i', image, file, '::/user-data');
  return image;
}
