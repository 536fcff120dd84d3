import { join } from 'node:path';
import type { Machine } from '@godwit/hypervisor';
import { connectQmp } from '@godwit/qmp';

export interface DiskFault {
  readonly of: 'read' | 'write';
  readonly error: 'EIO' | 'ENOSPC';
  /** Only the first such request fails. */
  readonly once?: boolean;
  /** Only requests that touch this one fail. */
  readonly sector?: number;
}

const ERRNO = { EIO: 5, ENOSPC: 28 };
const FAULTS = 'faults';

/**
 * Puts a layer that fails between a raw block node of a running QEMU and its file, through its second monitor. `heal` takes it
 * away again, whether or not that block node is still there.
 */
export async function makeFaulty(machine: Machine, node: string, fault: DiskFault): Promise<{ heal(): Promise<void> }> {
  const observer = () => connectQmp({ path: join(machine.directory, 'observe.sock') });
  const standOn = (file: string) => ({
    driver: 'raw',
    'node-name': node,
    'read-only': false,
    cache: { direct: true, 'no-flush': false },
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    file,
  });
  const qmp = await observer();
  const { of, error, once = false, sector } = fault;
  const rule = { event: 'none', iotype: of, errno: ERRNO[error], once, ...(sector === undefined ? {} : { sector }) };
  await qmp.execute('blockdev-add', {
    driver: 'blkdebug',
    'node-name': FAULTS,
    image: `${node}-file`,
    'inject-error': [rule],
  });
  await qmp.execute('blockdev-reopen', { options: [standOn(FAULTS)] });
  qmp.close();
  return {
    async heal() {
      const again = await observer();
      const nodes = await again.execute('query-named-block-nodes', { flat: true });
      if (nodes.some((one) => one['node-name'] === node))
        await again.execute('blockdev-reopen', { options: [standOn(`${node}-file`)] });
      await again.execute('blockdev-del', { 'node-name': FAULTS });
      again.close();
    },
  };
}
