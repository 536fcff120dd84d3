import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { askSupervisor } from '../../apps/cli/src/local/control.ts';
import type { KeptProcess } from '../../apps/cli/src/local/keeper.ts';
import type { Layout } from '../../apps/cli/src/local/layout.ts';
import { identifyProcess, signalProcess } from '@godwit/core/process-identity';
import { up } from '../../apps/cli/src/local/lifecycle.ts';
import { eventually } from './eventually.ts';
import type { Pair } from './pair.ts';

async function keptProcess(layout: Layout, name: string): Promise<KeptProcess | undefined> {
  const status = await askSupervisor(layout.controlSocket, { do: 'status' });
  return status?.processes.find((kept) => kept.name === name);
}

/** A blow that is ready to fall: the process is known, so that no time passes between the moment and the kill. */
export type Blow = () => { revived(): Promise<void> };

/** `kill -9` of a process that the supervisor keeps; `revived` resolves once it runs again under another pid. */
export async function aimAtProcess(layout: Layout, name: string): Promise<Blow> {
  const before = await keptProcess(layout, name);
  const { pid } = before ?? {};
  if (before === undefined || pid === undefined)
    throw new GodwitError('E2E_PROCESS_MISSING', `The supervisor keeps no running ${name}`);
  return () => {
    killPid(pid, name);
    return {
      async revived() {
        await eventually(`the supervisor to start ${name} again`, async () => {
          const now = await keptProcess(layout, name);
          return now?.pid !== undefined && now.pid !== pid && now.restarts > before.restarts;
        });
      },
    };
  };
}

/** `kill -9` of what keeps all other processes; `revived` starts another one, which takes them over. */
export async function aimAtSupervisor({ directory, layout, state }: Pair): Promise<Blow> {
  const { pid = -1 } = (await askSupervisor(layout.controlSocket, { do: 'status' })) ?? {};
  const clusters = state.clusters.map(({ name }) => name);
  return () => {
    killPid(pid, 'supervisor');
    return {
      async revived() {
        await up({ dir: directory, clusters, nodes: 2 });
      },
    };
  };
}

/** `kill -9` of the QEMU of one launcher pod. */
export async function aimAtQemu(layout: Layout, cluster: string, node: string, podUid: string): Promise<Blow> {
  const file = join(layout.sockets, cluster, node, podUid, 'machine.json');
  const pid = await eventually(`the QEMU of pod ${podUid}`, async () => {
    const text = await readFile(file, 'utf8').catch(() => '{}');
    return (JSON.parse(text) as { process?: { pid?: number } }).process?.pid; // the hypervisor's own record
  });
  return once(pid, `QEMU of pod ${podUid}`);
}

/** `kill -9` of what carries the bytes of the one migration that a node agent takes part in. */
export async function aimAtCarrier(layout: Layout, agent: string): Promise<Blow> {
  const kept = await keptProcess(layout, agent);
  const carriers = await eventually(`a carrier of ${agent}`, async () => {
    const found = await carriersOf(kept?.pid ?? -1);
    return found.length > 0 && found;
  });
  return () => {
    for (const pid of carriers) killPid(pid, `carrier of ${agent}`);
    return { revived: async () => undefined };
  };
}

/** The one at work and one kept ready for the next migration look alike. */
async function carriersOf(agent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [status, command] = await Promise.all([
        readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''),
        readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      ]);
      return status.includes(`\nPPid:\t${agent}\n`) && command.includes('carrier-main') ? [pid] : [];
    }),
  );
  return found.flat();
}

function once(pid: number, what: string): Blow {
  return () => {
    killPid(pid, what);
    return { revived: async () => undefined };
  };
}

function killPid(pid: number, what: string): void {
  const target = identifyProcess(pid);
  if (target === undefined || !signalProcess(target, 'SIGKILL'))
    throw new GodwitError('E2E_PROCESS_MISSING', `${what} (pid ${pid}) is gone already`);
}

/** The supervisor stands still, so that what dies meanwhile stays dead until it goes on. Whoever asks it something waits as long. */
export async function pauseSupervisor({ layout }: Pair): Promise<{ resume(): void }> {
  const { pid = -1 } = (await askSupervisor(layout.controlSocket, { do: 'status' })) ?? {};
  const target = identifyProcess(pid);
  if (target === undefined || !signalProcess(target, 'SIGSTOP'))
    throw new GodwitError('E2E_PROCESS_MISSING', 'There is no supervisor');
  return { resume: () => void signalProcess(target, 'SIGCONT') };
}
