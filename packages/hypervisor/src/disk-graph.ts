import type { BlockInfo, BlockNode } from '@godwit/qmp';
import { diskDeviceId, parseNodeName, rootNode } from './disk-nodes.ts';
import { placesOf } from './disk-places.ts';
import { hypervisorError } from './errors.ts';
import type { Monitor } from './monitor.ts';
import type { DiskBacking } from './contract/disk-backing.ts';
import type { DiskSpec, MachineSpec } from './contract/machine-spec.ts';

/** A disk with the block nodes that QEMU has for it right now: QEMU is the only memory of that. */
export interface DiskInUse {
  /** With the size that the disk has now. */
  readonly spec: DiskSpec;
  readonly index: number;
  /** Generation of the node that the guest device uses. */
  readonly generation: number;
  /** Roots of other generations: targets of mirrors, or what is left of them. */
  readonly others: readonly number[];
}

export interface DiskGraph {
  /** Number in the names of its block nodes. */
  indexOf(disk: string): number;
  find(disk: string): Promise<DiskInUse>;
  backings(): Promise<readonly DiskBacking[]>;
}

/** Fails with `HYPERVISOR_UNKNOWN_DISK`. `spec` tells the machine as it is at that moment. */
export function createDiskGraph(monitor: Monitor, spec: () => Pick<MachineSpec, 'disks'>): DiskGraph {
  interface Seen {
    readonly nodes: readonly BlockNode[];
    readonly devices: readonly BlockInfo[];
  }
  const seen = async (): Promise<Seen> => {
    const [nodes, devices] = await Promise.all([
      monitor.execute('query-named-block-nodes', { flat: true }),
      monitor.execute('query-block'),
    ]);
    return { nodes, devices };
  };
  const look = (disk: DiskSpec, index: number, { nodes, devices }: Seen): DiskInUse => {
    const roots = nodes.flatMap((node) => {
      const name = parseNodeName(node['node-name'] ?? '');
      return name?.index === index && name.part === 'root' ? [name.generation] : [];
    });
    const device = devices.find(isDeviceOf(disk.name));
    const generation = usedGeneration(device, roots, `Disk ${disk.name} of ${monitor.machine}`);
    const root = nodes.find((node) => node['node-name'] === rootNode(index, generation));
    // The disk may have grown since it was specified.
    const sizeBytes = root?.image['virtual-size'] ?? disk.sizeBytes;
    return { spec: { ...disk, sizeBytes }, index, generation, others: roots.filter((item) => item !== generation) };
  };
  const inSpec = (disk: string): readonly [DiskSpec, number] => {
    const { disks } = spec();
    const found = disks.find((item) => item.name === disk);
    const place = placesOf(disks).get(disk);
    if (!found || !place) throw hypervisorError('HYPERVISOR_UNKNOWN_DISK', `${monitor.machine} has no disk ${disk}`);
    return [found, place.node];
  };
  return {
    indexOf: (disk) => inSpec(disk)[1],
    async find(disk) {
      return look(...inSpec(disk), await seen());
    },
    async backings() {
      const now = await seen();
      const named = (name: string): BlockNode | undefined => now.nodes.find((node) => node['node-name'] === name);
      const found: DiskBacking[] = [];
      for (const { name } of spec().disks) {
        const [disk, index] = inSpec(name);
        const root = rootNode(index, look(disk, index, now).generation);
        const file = named(`${root}-file`);
        if (!file) continue;
        found.push({
          name: disk.name,
          path: file.file,
          format: (named(`${root}-format`) ?? named(root))?.drv === 'qcow2' ? 'qcow2' : 'raw',
          driver: file.drv === 'host_device' ? 'host_device' : 'file',
          readOnly: file.ro,
        });
      }
      return found;
    },
  };
}

/** The guest device of a disk, as `query-block` tells of it; undefined when there is none. */
export async function deviceOf(monitor: Monitor, disk: string): Promise<BlockInfo | undefined> {
  return (await monitor.execute('query-block')).find(isDeviceOf(disk));
}

function isDeviceOf(disk: string) {
  const id = diskDeviceId(disk);
  return ({ qdev }: BlockInfo): boolean => qdev?.split('/').includes(id) ?? false;
}

function usedGeneration(device: BlockInfo | undefined, roots: readonly number[], disk: string): number {
  const node = parseNodeName(device?.inserted?.['node-name'] ?? '');
  if (node?.part === 'root') return node.generation;
  // A mirror's filter is named after the target's generation and sits above the one before.
  if (node !== undefined) return Math.max(...roots.filter((generation) => generation < node.generation));
  throw hypervisorError('HYPERVISOR_WRONG_STATE', `${disk} has no block node of ours`);
}
