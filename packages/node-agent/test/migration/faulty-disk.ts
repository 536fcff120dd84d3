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

/** Has a QEMU carry out a command. */
type Execute = (command: string, parameters: object) => Promise<unknown>;

/**
 * Puts a layer that fails between a raw block node of a running QEMU and its file, through its second monitor. `heal` takes it
 * away again, whether or not that block node is still there.
 */
export async function makeFaulty(machine: Machine, node: string, fault: DiskFault): Promise<{ heal(): Promise<void> }> {
  const connected = async <T>(work: (execute: Execute) => Promise<T>): Promise<T> => {
    const qmp = await connectQmp({ path: join(machine.directory, 'observe.sock') });
    try {
      // The cast is safe: these commands and their parameters are QEMU's.
      return await work((command, parameters) => qmp.execute(command as 'blockdev-add', parameters as never));
    } finally {
      qmp.close();
    }
  };
  const injected = await connected((execute) => injectFault(execute, node, fault));
  return { heal: () => connected((execute) => injected.heal(execute)) };
}

/** The same through a monitor that somebody else has. */
export async function injectFault(
  execute: Execute,
  node: string,
  fault: DiskFault,
): Promise<{ heal(execute: Execute): Promise<void> }> {
  const standOn = (file: string) => ({
    driver: 'raw',
    'node-name': node,
    'read-only': false,
    cache: { direct: true, 'no-flush': false },
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    file,
  });
  const { of, error, once = false, sector } = fault;
  const rule = { event: 'none', iotype: of, errno: ERRNO[error], once, ...(sector === undefined ? {} : { sector }) };
  await execute('blockdev-add', {
    driver: 'blkdebug',
    'node-name': FAULTS,
    image: `${node}-file`,
    'inject-error': [rule],
  });
  await execute('blockdev-reopen', { options: [standOn(FAULTS)] });
  return {
    async heal(again) {
      if ((await blockNodes(again)).includes(node))
        await again('blockdev-reopen', { options: [standOn(`${node}-file`)] });
      await again('blockdev-del', { 'node-name': FAULTS });
    },
  };
}

/** Names of all block nodes of a QEMU. */
export async function blockNodes(execute: Execute): Promise<readonly string[]> {
  // The cast is safe: QEMU's answer is a list of nodes, each with its name.
  const nodes = (await execute('query-named-block-nodes', { flat: true })) as readonly { 'node-name': string }[];
  return nodes.map((node) => node['node-name']);
}
