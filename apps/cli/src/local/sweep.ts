import { identifyProcess, isSameProcessAlive, signalProcess } from '@godwit/core/process-identity';
import type { ProcessIdentity } from '@godwit/core/process-identity';
import { readdirSync } from 'node:fs';
import { waitFor } from '@godwit/core/wait';
import type { Layout } from './layout.ts';
import { isOurs } from './ours.ts';
import { commandLine } from './processes.ts';

/** Every daemon and QEMU of this directory; carriers end with their agents. */
export function processesOf(layout: Layout): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => isOurs(commandLine(Number(name)), [layout.root, layout.sockets]))
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
