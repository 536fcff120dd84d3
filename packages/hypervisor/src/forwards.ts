import { setTimeout as pause } from 'node:timers/promises';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Monitor } from './monitor.ts';
import { forwardRule, netdevId } from './qemu-arguments.ts';
import type { MachineSpec, NicSpec } from './contract/machine-spec.ts';

type Forward = NicSpec['forwards'][number];

const ATTEMPTS = 100;
const RETRY_MS = 100;

/**
 * Opens the host ports of a machine that came in by migration. A source on the same host holds them until its
 * process ends, shortly after: so this goes on in the background, and a port that stays taken is only logged.
 */
export function addForwards(monitor: Monitor, spec: MachineSpec, log: Logger): void {
  for (const [index, nic] of spec.nics.entries()) {
    for (const forward of nic.forwards) {
      addForward(monitor, netdevId(index), forward).catch((error: unknown) =>
        log.warn({ machine: spec.name, forward, error: describeError(error) }, 'host port not forwarded'),
      );
    }
  }
}

async function addForward(monitor: Monitor, netdev: string, forward: Forward): Promise<void> {
  const rule = forwardRule(forward);
  let answer = '';
  // A guest that was paused and resumed has them already.
  if (await isForwarded(monitor, forward)) return;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    answer = await monitor.execute('human-monitor-command', { 'command-line': `hostfwd_add ${netdev} ${rule}` });
    if (answer.trim() === '') return;
    await pause(RETRY_MS, undefined, { ref: false });
  }
  throw new Error(answer.trim());
}

async function isForwarded(monitor: Monitor, { protocol, hostPort }: Forward): Promise<boolean> {
  const table = await monitor.execute('human-monitor-command', { 'command-line': 'info usernet' });
  const row = new RegExp(`^\\s*${protocol}\\[HOST_FORWARD\\]\\s+\\d+\\s+127\\.0\\.0\\.1\\s+${hostPort}\\s`, 'im');
  return row.test(table);
}
