import { setTimeout as pause } from 'node:timers/promises';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Monitor } from './monitor.ts';
import { forwardRule, netdevId } from './qemu-arguments.ts';
import type { MachineSpec } from './types.ts';

const ATTEMPTS = 100;
const RETRY_MS = 100;

/**
 * Opens the host ports of a machine that came in by migration. A source on the same host holds them until its
 * process ends, shortly after: so this goes on in the background, and a port that stays taken is only logged.
 */
export function addForwards(monitor: Monitor, spec: MachineSpec, log: Logger): void {
  for (const [index, nic] of spec.nics.entries()) {
    for (const forward of nic.forwards) {
      const rule = forwardRule(forward);
      addForward(monitor, netdevId(index), rule).catch((error: unknown) =>
        log.warn({ machine: spec.name, rule, error: describeError(error) }, 'host port not forwarded'),
      );
    }
  }
}

async function addForward(monitor: Monitor, netdev: string, rule: string): Promise<void> {
  let answer = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    answer = await monitor.execute('human-monitor-command', { 'command-line': `hostfwd_add ${netdev} ${rule}` });
    if (answer.trim() === '') return;
    await pause(RETRY_MS, undefined, { ref: false });
  }
  throw new Error(answer.trim());
}
