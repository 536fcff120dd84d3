import type { Logger } from '@godwit/core/logger';
import { deviceOf } from './disk-graph.ts';
import { hypervisorError } from './errors.ts';
import type { Monitor } from './monitor.ts';
import { MIRROR_GRANULARITY } from './mirrors.ts';
import type { Machine } from './contract/machine.ts';

/** Holds the guest's writes to a disk back at its device: jobs that copy the disk are not touched. */
export function createWriteLimits(context: {
  readonly monitor: Monitor;
  readonly log: Logger;
}): Pick<Machine, 'limitWrites'> {
  const { monitor, log } = context;
  return {
    async limitWrites(disk, bytesPerSecond) {
      const { qdev } = (await deviceOf(monitor, disk)) ?? {};
      // What is not there is not limited.
      if (qdev === undefined && bytesPerSecond === 0) return;
      if (qdev === undefined)
        throw hypervisorError('HYPERVISOR_UNKNOWN_DISK', `${monitor.machine} has no device for disk ${disk}`);
      if (bytesPerSecond > 0) log.info({ machine: monitor.machine, disk, bytesPerSecond }, 'limiting writes');
      await monitor.execute('block_set_io_throttle', {
        id: qdev,
        bps: 0,
        bps_rd: 0,
        bps_wr: Math.ceil(bytesPerSecond),
        iops: 0,
        iops_rd: 0,
        // However little is written, this much is to be copied.
        iops_wr: Math.ceil(bytesPerSecond / MIRROR_GRANULARITY),
      });
    },
  };
}
