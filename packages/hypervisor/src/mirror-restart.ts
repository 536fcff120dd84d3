import type { Logger } from '@godwit/core/logger';
import { mirrorJobId } from './disk-nodes.ts';
import { hypervisorError } from './errors.ts';
import type { Monitor } from './monitor.ts';
import type { Machine } from './contract/machine.ts';

/** All that a job may have under way, on a slow link. */
const DRAIN_MS = 60_000;

/**
 * Copying a disk anew to the same target. Nothing of the first copy may still be on its way when the second begins: it
 * would overwrite newer data. So its connection is not cut; every write is waited for, and one that failed, and may
 * therefore arrive at any time, is the end of both copies.
 */
export function createMirrorRestart(context: {
  readonly monitor: Monitor;
  readonly log: Logger;
  readonly startMirror: Machine['startMirror'];
}): Pick<Machine, 'restartMirror'> {
  const { monitor, log, startMirror } = context;
  return {
    async restartMirror(disk, target, options) {
      const id = mirrorJobId(disk);
      let failed = false;
      const stop = monitor.onEvent(({ name, data }) => {
        if (name === 'BLOCK_JOB_ERROR' && data['device'] === id) failed = true;
      });
      const concluded = async () => {
        const job = (await monitor.execute('query-block-jobs')).find((one) => one.device === id);
        return job === undefined || job.status === 'concluded' ? { error: job?.error } : undefined;
      };
      try {
        log.info({ machine: monitor.machine, disk }, 'restarting mirror');
        await monitor.execute('block-job-cancel', { device: id, force: true });
        const { error = 'it is gone' } = await drained(monitor, disk, concluded);
        if (failed || !/cancel/i.test(error)) {
          const message = `The mirror of disk ${disk} of ${monitor.machine} failed: ${error}`;
          throw hypervisorError('HYPERVISOR_MIRROR_FAILED', message, { details: { disk, error }, retry: 'backoff' });
        }
      } finally {
        stop();
      }
      await startMirror(disk, target, options);
    },
  };
}

/** Rejects with HYPERVISOR_MIRROR_FAILED when what is under way does not arrive in time. */
async function drained<T>(monitor: Monitor, disk: string, probe: () => Promise<T | undefined>): Promise<T> {
  const what = `The end of the mirror of ${disk}`;
  const late = (): never => {
    const seconds = DRAIN_MS / 1000;
    const message = `Disk ${disk} of ${monitor.machine} cannot be copied anew: what is on its way to the target has not arrived for ${seconds} s. Check the storage of the target and the network to it`;
    throw hypervisorError('HYPERVISOR_MIRROR_FAILED', message, { details: { disk }, retry: 'backoff' });
  };
  return monitor.until(probe, { what, timeoutMs: DRAIN_MS, late });
}
