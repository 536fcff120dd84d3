import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { askSupervisor } from '../../apps/cli/src/local/control.ts';
import type { KeptProcess } from '../../apps/cli/src/local/keeper.ts';
import type { Layout } from '../../apps/cli/src/local/layout.ts';
import { identify, signal } from '../../apps/cli/src/local/processes.ts';
import { eventually } from './eventually.ts';

async function keptProcess(layout: Layout, name: string): Promise<KeptProcess | undefined> {
  const status = await askSupervisor(layout.controlSocket, { do: 'status' });
  return status?.processes.find((kept) => kept.name === name);
}

/** `kill -9` of a process that the supervisor keeps; `revived` resolves once it runs again under another pid. */
export async function killProcess(layout: Layout, name: string): Promise<{ revived(): Promise<void> }> {
  const before = await keptProcess(layout, name);
  if (before?.pid === undefined)
    throw new GodwitError('E2E_PROCESS_MISSING', `The supervisor keeps no running ${name}`);
  killPid(before.pid, name);
  return {
    async revived() {
      await eventually(`the supervisor to start ${name} again`, async () => {
        const now = await keptProcess(layout, name);
        return now?.pid !== undefined && now.pid !== before.pid && now.restarts > before.restarts;
      });
    },
  };
}

/** `kill -9` of the QEMU of one launcher pod. */
export async function killQemu(layout: Layout, cluster: string, node: string, podUid: string): Promise<void> {
  const file = join(layout.sockets, cluster, node, podUid, 'machine.json');
  const pid = await eventually(`the QEMU of pod ${podUid}`, async () => {
    const text = await readFile(file, 'utf8').catch(() => '{}');
    return (JSON.parse(text) as { process?: { pid?: number } }).process?.pid; // the hypervisor's own record
  });
  killPid(pid, `QEMU of pod ${podUid}`);
}

function killPid(pid: number, what: string): void {
  const target = identify(pid);
  if (target === undefined || !signal(target, 'SIGKILL'))
    throw new GodwitError('E2E_PROCESS_MISSING', `${what} (pid ${pid}) is gone already`);
}
