import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../src/run-tool.ts';

/** A FAT volume labelled `cidata` that holds the user-data. */
export async function writeCidata(directory: string, userData: string): Promise<string> {
  const image = join(directory, 'cidata.img');
  const file = join(directory, 'user-data');
  await writeFile(file, userData);
  await runTool('mformat', ['-C', '-i', image, '-f', '1440', '-v', 'cidata', '::']);
  await runTool('mcopy', ['-i', image, file, '::/user-data']);
  return image;
}
