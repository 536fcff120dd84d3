import type { Logger } from '@godwit/core/logger';
import type { DiskGraph } from './disk-graph.ts';
import { rootNode } from './disk-nodes.ts';
import { isRefusal } from './errors.ts';
import type { Monitor } from './monitor.ts';
import type { Machine } from './contract/machine.ts';

/** Disks of a migration target, offered for writing over NBD until the guest device takes them over. */
export function createDiskExports(context: {
  readonly monitor: Monitor;
  readonly graph: DiskGraph;
  readonly log: Logger;
}): Pick<Machine, 'exportDisks' | 'stopExport'> {
  const { monitor, graph, log } = context;

  /** QEMU answers once every export is closed. */
  async function stopExport(): Promise<void> {
    try {
      await monitor.execute('nbd-server-stop');
    } catch (error) {
      if (!isRefusal(error, /not running/i)) throw error;
    }
  }

  return {
    async exportDisks(socketPath, disks) {
      log.info({ machine: monitor.machine, disks }, 'exporting disks');
      await monitor.execute('nbd-server-start', { addr: { type: 'unix', data: { path: socketPath } } });
      try {
        for (const disk of disks) {
          const { index, generation } = await graph.find(disk);
          const node = rootNode(index, generation);
          await monitor.execute('block-export-add', {
            type: 'nbd',
            id: `export-${node}`,
            'node-name': node,
            name: disk,
            writable: true,
          });
        }
      } catch (error) {
        await stopExport();
        throw error;
      }
    },
    stopExport,
  };
}
