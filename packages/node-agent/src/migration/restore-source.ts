import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';

const RETRY_MS = 100;

/**
 * Makes the guest run here again, whatever phase a migration was in, and removes what the migration attached. Tries until
 * QEMU runs the guest or is gone; a guest that stopped for a reason of its own (shut down, disk error) is left as it is.
 */
export async function restoreSource(
  machine: Machine | undefined,
  copyDisks: readonly string[],
  log: Logger,
): Promise<'running' | 'gone'> {
  if (machine === undefined) return 'gone';
  for (;;) {
    try {
      switch (await machine.state()) {
        case 'gone':
          return 'gone';
        case 'finish-migrate':
        case 'paused':
        case 'running':
          // Also stops one that still copies. One that is completed cannot be cancelled: the next look says `postmigrate`.
          await machine.cancelMemory();
          await ensureRunning(machine);
          break;
        case 'postmigrate':
          await machine.resume();
          break;
        case 'incoming':
        case 'shutdown':
        case 'io-error':
        case 'internal-error':
          break;
      }
      // The guest runs: the jobs of its disks have time.
      for (const disk of copyDisks) await machine.cancelMirror(disk);
      return 'running';
    } catch (error) {
      if ((await machine.state().catch(() => undefined)) === 'gone') return 'gone';
      log.warn({ error: describeError(error) }, 'the source does not run yet');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function ensureRunning(machine: Machine): Promise<void> {
  const state = await machine.state();
  if (state === 'paused' || state === 'postmigrate') await machine.resume();
}
