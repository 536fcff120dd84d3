import type { Logger } from '@godwit/core/logger';
import { measureBacking } from './backing-size.ts';
import type { DiskGraph } from './disk-graph.ts';
import { backingNodes, rootNode } from './disk-nodes.ts';
import { hypervisorError } from './errors.ts';
import type { Monitor } from './monitor.ts';
import type { Machine } from './contract/machine.ts';

/**
 * Growing a disk under its guest. A raw node that was opened as a slice refuses to be resized (QEMU 7.2), so it is opened
 * anew as all of its file first; the resize then tells the guest's device.
 */
export function createDiskResize(context: {
  readonly monitor: Monitor;
  readonly graph: DiskGraph;
  readonly log: Logger;
}): Pick<Machine, 'resizeDisk'> {
  const { monitor, graph, log } = context;
  return {
    async resizeDisk(disk, sizeBytes) {
      const { spec, index, generation, others } = await graph.find(disk);
      const refuse = (why: string) =>
        hypervisorError('HYPERVISOR_WRONG_STATE', `Disk ${disk} of ${monitor.machine} cannot be resized: ${why}`);
      if (others.length > 0) throw refuse('it is being copied');
      if (sizeBytes < spec.sizeBytes) throw refuse(`it has ${spec.sizeBytes} bytes, more than ${sizeBytes}`);
      const backing = (await graph.backings()).find((one) => one.name === disk);
      if (backing === undefined || backing.format !== 'raw' || backing.readOnly)
        throw refuse('it is not a raw image that can be written');
      const bytes = await measureBacking(backing);
      // QEMU would cut a bigger file to the disk's size.
      if (bytes !== sizeBytes) throw refuse(`its image has ${bytes} bytes, not ${sizeBytes}`);
      const node = rootNode(index, generation);
      log.info({ machine: monitor.machine, disk, from: spec.sizeBytes, to: sizeBytes }, 'resizing disk');
      const whole = { ...backingNodes({ ...spec, sizeBytes }, backing, node, bytes), file: `${node}-file` };
      await monitor.execute('blockdev-reopen', { options: [whole] });
      await monitor.execute('block_resize', { 'node-name': node, size: sizeBytes });
    },
  };
}
