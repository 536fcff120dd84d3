import { readdir, readFile } from 'node:fs/promises';
import { askSupervisor } from '../../apps/cli/src/local/control.ts';
import type { Pair } from '../support/pair.ts';

/** What a pair of clusters has open and running; what grows with every move is a leak. */
export interface Footprint {
  /** Open files of each process that the supervisor keeps. */
  readonly files: Readonly<Record<string, number>>;
  readonly qemus: number;
  readonly carriers: number;
}

export async function footprintOf({ layout }: Pair): Promise<Footprint> {
  const kept = (await askSupervisor(layout.controlSocket, { do: 'status' }))?.processes ?? [];
  const files: Record<string, number> = {};
  const agents = new Set<number>();
  for (const { name, pid } of kept) {
    if (pid === undefined) continue;
    files[name] = (await readdir(`/proc/${pid}/fd`).catch(() => [])).length;
    agents.add(pid);
  }
  let [qemus, carriers] = [0, 0];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes('qemu-system') && command.includes(layout.sockets)) qemus += 1;
    if (!command.includes('carrier-main')) continue;
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    if (agents.has(Number(stat.split(') ')[1]?.split(' ')[1]))) carriers += 1;
  }
  return { files, qemus, carriers };
}
