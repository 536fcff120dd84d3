import type { Logger } from '@godwit/core/logger';
import { measureBackingFor } from './backing-size.ts';
import { backingNodes, diskDeviceId, parseNodeName, rootNode } from './disk-nodes.ts';
import { placesOf, withDisk, withoutDisk } from './disk-places.ts';
import { hypervisorError, isRefusal } from './errors.ts';
import { writeMachineRecord, type MachineRecord } from './machine-record.ts';
import type { Monitor } from './monitor.ts';
import { diskDevice } from './qemu-arguments.ts';
import type { DiskBacking } from './contract/disk-backing.ts';
import type { DiskSpec } from './contract/machine-spec.ts';
import type { Machine } from './contract/machine.ts';

/** The SCSI controller takes disks away without asking the guest; what the guest has under way is waited for. */
const DETACH_MS = 10_000;

export interface HotDisks extends Pick<Machine, 'spec' | 'attachDisk' | 'detachDisk'> {
  /** Brings the record in line with QEMU after a change that nobody has seen the end of. */
  settle(): Promise<void>;
}

/**
 * Disks that come and go while the guest runs. The record names a disk before QEMU hears of it, and until QEMU has
 * forgotten it; whoever comes after a crash in between asks QEMU.
 */
export function createHotDisks(context: {
  readonly monitor: Monitor;
  readonly record: MachineRecord;
  readonly log: Logger;
}): HotDisks {
  const { monitor, log } = context;
  let record = context.record;

  async function write(options: MachineRecord['options'], changing?: MachineRecord['changing']): Promise<void> {
    const { changing: _before, ...rest } = record;
    const next: MachineRecord = { ...rest, options, ...(changing === undefined ? {} : { changing }) };
    await writeMachineRecord(next);
    record = next;
  }

  async function isThere(disk: string): Promise<boolean> {
    const id = diskDeviceId(disk);
    return (await monitor.execute('query-block')).some((block) => block.qdev?.split('/').includes(id));
  }

  /** Removes what no device uses any more; QEMU may still be closing it. */
  async function removeNodes(number: number, disk: string): Promise<void> {
    const removed = async (): Promise<true | undefined> => {
      const nodes = await monitor.execute('query-named-block-nodes', { flat: true });
      const left = nodes.flatMap(({ 'node-name': name = '' }) => {
        const node = parseNodeName(name);
        return node?.index === number && node.part === 'root' ? [rootNode(number, node.generation)] : [];
      });
      if (left.length === 0) return true;
      for (const node of left) {
        try {
          await monitor.execute('blockdev-del', { 'node-name': node });
        } catch (error) {
          if (!isRefusal(error, /in use|busy/i)) throw error;
        }
      }
      return undefined;
    };
    await monitor.until(removed, { what: `Closing disk ${disk}`, timeoutMs: DETACH_MS });
  }

  function withoutBacking(disk: string): readonly DiskBacking[] {
    return record.options.backings.filter(({ name }) => name !== disk);
  }

  /** The disk is not shown to the guest: nothing is left of it. */
  async function forget(disk: string): Promise<void> {
    const { options } = record;
    const place = placesOf(options.spec.disks).get(disk);
    if (place) await removeNodes(place.node, disk);
    await write({ ...options, spec: withoutDisk(options.spec, disk), backings: withoutBacking(disk) });
  }

  async function unplug(disk: string): Promise<void> {
    try {
      await monitor.execute('device_del', { id: diskDeviceId(disk) });
    } catch (error) {
      if (!isRefusal(error, /not found|in the process of unplug/i)) throw error;
    }
    const gone = async (): Promise<true | undefined> => ((await isThere(disk)) ? undefined : true);
    await monitor.until(gone, { what: `The end of disk ${disk}`, timeoutMs: DETACH_MS });
    await forget(disk);
  }

  async function settle(): Promise<void> {
    const { changing } = record;
    if (changing === undefined) return;
    log.info({ machine: monitor.machine, ...changing }, 'settling disk');
    // A device that is leaving may still be listed.
    if (changing.to === 'detached') await unplug(changing.disk);
    else if (await isThere(changing.disk)) await write(record.options);
    else await forget(changing.disk);
  }

  async function plug(disk: DiskSpec, backing: DiskBacking): Promise<void> {
    const { spec } = record.options;
    const place = placesOf(spec.disks).get(disk.name);
    if (!place) throw hypervisorError('HYPERVISOR_UNKNOWN_DISK', `${monitor.machine} has no disk ${disk.name}`);
    const node = rootNode(place.node, 0);
    await monitor.execute('blockdev-add', backingNodes(disk, backing, node, await measureBackingFor(disk, backing)));
    await monitor.execute('device_add', diskDevice(disk, node, place.unit, { spec }));
  }

  return {
    spec: () => record.options.spec,
    settle,

    async attachDisk(disk, backing) {
      await settle();
      const { options } = record;
      if (options.spec.disks.some(({ name }) => name === disk.name)) {
        const has = options.backings.find(({ name }) => name === disk.name)?.path;
        if (has === backing.path) return options.spec;
        const message = `Disk ${disk.name} of ${monitor.machine} is there already, from ${has ?? 'elsewhere'}`;
        throw hypervisorError('HYPERVISOR_WRONG_STATE', message);
      }
      const spec = withDisk(options.spec, disk);
      log.info({ machine: monitor.machine, disk: disk.name }, 'attaching disk');
      await write(
        { ...options, spec, backings: [...withoutBacking(disk.name), backing] },
        { disk: disk.name, to: 'attached' },
      );
      try {
        await plug(disk, backing);
      } finally {
        // After failure too: QEMU knows how far it has got.
        await settle();
      }
      return record.options.spec;
    },

    async detachDisk(disk) {
      await settle();
      const { options } = record;
      const place = placesOf(options.spec.disks).get(disk);
      if (!place) return options.spec;
      // Asked before anything is done: it refuses what cannot leave.
      withoutDisk(options.spec, disk);
      await requireIdle(monitor, place.node, disk);
      log.info({ machine: monitor.machine, disk }, 'detaching disk');
      await write(options, { disk, to: 'detached' });
      await unplug(disk);
      return record.options.spec;
    },
  };
}

async function requireIdle(monitor: Monitor, number: number, disk: string): Promise<void> {
  const nodes = await monitor.execute('query-named-block-nodes', { flat: true });
  const roots = nodes.filter(({ 'node-name': name = '' }) => {
    const node = parseNodeName(name);
    return node?.index === number && node.part !== 'file' && node.part !== 'format';
  });
  if (roots.length <= 1) return;
  const message = `Disk ${disk} of ${monitor.machine} cannot be detached: it is being copied`;
  throw hypervisorError('HYPERVISOR_WRONG_STATE', message);
}
