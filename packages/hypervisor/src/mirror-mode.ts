import type { Logger } from '@godwit/core/logger';
import { mirrorJobId } from './disk-nodes.ts';
import { isRefusal } from './errors.ts';
import type { Monitor } from './monitor.ts';
import type { Machine } from './contract/machine.ts';

/**
 * Has the writes of the guest go to both sides of a mirror that runs. QEMU 8.2 learned to change that of a job
 * (`block-job-change`); before, the disk is copied anew.
 */
export function createMirrorMode(context: {
  readonly monitor: Monitor;
  readonly log: Logger;
  readonly restartMirror: Machine['restartMirror'];
}): Pick<Machine, 'synchroniseMirror' | 'changesMirrors'> {
  const { monitor, log, restartMirror } = context;
  let known: boolean | undefined;

  async function changesMirrors(): Promise<boolean> {
    known ??= (await monitor.execute('query-commands')).some(({ name }) => name === 'block-job-change');
    return known;
  }

  return {
    changesMirrors,
    async synchroniseMirror(disk, target, options) {
      if (await changesMirrors()) {
        try {
          const id = mirrorJobId(disk);
          await monitor.execute('block-job-change', { id, type: 'mirror', 'copy-mode': 'write-blocking' });
          log.info({ machine: monitor.machine, disk }, 'mirror takes the writes of the guest along');
          return 'changed';
        } catch (error) {
          // Whatever the mirror has come to, to begin anew is always right; a broken monitor is for the caller.
          if (!isRefusal(error, /./)) throw error;
          log.warn({ machine: monitor.machine, disk }, 'the mode of the mirror cannot be changed');
        }
      }
      await restartMirror(disk, target, { ...options, synchronous: true });
      return 'restarted';
    },
  };
}
