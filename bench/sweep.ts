import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const ours = /^(qemu-|libvirtd)/;

/** Ends every QEMU and libvirtd that still works with files below a directory of ours, whatever became of who started it. */
export async function endLeftOvers(directory: string): Promise<number> {
  let ended = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string): Promise<string> => readFile(join('/proc', name, file), 'utf8').catch(() => '');
    if (!ours.test(await read('comm')) || !(await read('cmdline')).includes(`${directory}/`)) continue;
    try {
      process.kill(Number(name), 'SIGKILL');
      ended++;
    } catch {
      // It has just ended.
    }
  }
  return ended;
}
