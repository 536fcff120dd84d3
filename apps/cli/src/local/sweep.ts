import { identifyProcess, isSameProcessAlive, signalProcess } from '@godwit/core/process-identity';
import type { ProcessIdentity } from '@godwit/core/process-identity';
import { readdirSync, readFileSync } from 'node:fs';
import { waitFor } from '@godwit/core/wait';
import type { Layout } from './layout.ts';

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Every process of ours (this one excepted) whose arguments name a path of this directory: daemons, QEMUs, carriers. */
export function processesOf(layout: Layout): ProcessIdentity[] {
  const prefixes = [`${layout.root}/`, `${layout.sockets}/`];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      const [program = '', ...rest] = commandLine(Number(name));
      const ours = /(^|\/)(qemu-system-\w+|node)$/.test(program);
      return ours && rest.some((argument) => prefixes.some((prefix) => argument.includes(prefix)));
    })
    .flatMap((name) => identifyProcess(Number(name)) ?? []);
}

/** Ends whatever still runs for this directory: SIGTERM (QEMU then flushes its disks), SIGKILL after `graceMs`. */
export async function sweep(layout: Layout, graceMs = 5_000): Promise<void> {
  const left = processesOf(layout);
  for (const process of left) signalProcess(process, 'SIGTERM');
  const gone = (): boolean => !left.some(isSameProcessAlive);
  await waitFor(gone, { timeoutMs: graceMs, what: 'processes to end' }).catch(() => {
    for (const process of left) signalProcess(process, 'SIGKILL');
  });
  await waitFor(gone, { timeoutMs: 5_000, what: 'processes to end after SIGKILL' });
}
