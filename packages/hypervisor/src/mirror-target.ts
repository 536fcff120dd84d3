import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@godwit/core/logger';
import type { BlockdevOptions } from '@godwit/qmp';
import { measureBackingFor } from './backing-size.ts';
import type { DiskInUse } from './disk-graph.ts';
import { backingNodes } from './disk-nodes.ts';
import { hypervisorError, isRefusal } from './errors.ts';
import type { Monitor } from './monitor.ts';
import type { MirrorTarget } from './contract/disk-mirroring.ts';

const CONNECT_ATTEMPTS = 4;
const BETWEEN_ATTEMPTS_MS = 300;

/** Attaches what a disk is to be copied to, as block node `node`. After failure it is not attached. */
export async function attachTarget(
  { monitor, log }: { readonly monitor: Monitor; readonly log: Logger },
  inUse: DiskInUse,
  target: MirrorTarget,
  node: string,
): Promise<void> {
  const options = await targetNode(inUse, target, node);
  // On a busy host a sound peer may be slow to answer: it is asked a few times, between which the guest runs.
  for (let attempt = 1; ; attempt++) {
    try {
      await monitor.execute('blockdev-add', options);
      return;
    } catch (error) {
      if (attempt === CONNECT_ATTEMPTS || !isRefusal(error, /cancelled by timeout/)) throw error;
      log.warn({ machine: monitor.machine, attempt }, 'the target of a mirror did not answer in time; asking again');
      await pause(BETWEEN_ATTEMPTS_MS);
    }
  }
}

async function targetNode(inUse: DiskInUse, target: MirrorTarget, node: string): Promise<BlockdevOptions> {
  if (target.kind === 'file') {
    return backingNodes(inUse.spec, target.backing, node, await measureBackingFor(inUse.spec, target.backing));
  }
  return {
    driver: 'nbd',
    'node-name': node,
    server: { type: 'unix', path: target.socketPath },
    export: target.export,
    // A cut link fails the copy at once. To wait for it would also stop the guest, in every flush that QEMU's main loop
    // does meanwhile, and a guest that is paused for the switch would stay paused as long.
    'reconnect-delay': 0,
    // QEMU connects in its main loop too: a peer that says nothing holds the guest for this many seconds, not for ever.
    'open-timeout': 1,
    discard: 'unmap',
    // Zeroes are found on this side: they do not even travel.
    'detect-zeroes': 'unmap',
  };
}

/** A bigger target would change the guest's disk, a smaller one could not hold it. */
export async function requireSameSize(monitor: Monitor, { spec }: DiskInUse, target: string): Promise<void> {
  const nodes = await monitor.execute('query-named-block-nodes', { flat: true });
  const bytes = nodes.find((node) => node['node-name'] === target)?.image['virtual-size'];
  if (spec.sizeBytes === bytes) return;
  throw hypervisorError(
    'HYPERVISOR_BACKING_UNUSABLE',
    `Disk ${spec.name} of ${monitor.machine} has ${spec.sizeBytes} bytes, the mirror's target ${bytes}`,
    { details: { disk: spec.name, source: spec.sizeBytes, target: bytes } },
  );
}
