import { join } from 'node:path';
import { backingNodes, diskDeviceId, rootNode } from './disk-nodes.ts';
import { placesOf, takesDisks } from './disk-places.ts';
import { hypervisorError } from './errors.ts';
import type { LaunchOptions } from './contract/hypervisor.ts';
import type { DiskSpec, NicSpec } from './contract/machine-spec.ts';

/** Names of what a machine keeps in its directory. */
export const MACHINE_FILES = {
  monitor: 'qmp.sock',
  observer: 'observe.sock',
  serialSocket: 'serial.sock',
  serialLog: 'serial.log',
  pid: 'qemu.pid',
  stderr: 'qemu.log',
  record: 'machine.json',
} as const;

/*
 * Every device has a fixed address, so that both sides of a migration agree whatever order they add devices in:
 *   0x2 rng · 0x3-0x6 NICs · 0x7 SCSI controller · 0x8-0x1e virtio disks (0x1f is the q35 chipset)
 */
const RNG_SLOT = 0x2;
const NIC_SLOTS = { first: 0x3, last: 0x6 };
const SCSI_SLOT = 0x7;
const DISK_SLOTS = { first: 0x8, last: 0x1e };
const SATA_PORTS = { q35: 6, pc: 4 };
/** Translation cache in MiB; QEMU's default takes a gigabyte for a guest that reboots often. */
const TCG_CACHE_MIB = 64;
const GUEST_ADDRESS = '10.0.2.2';

/**
 * Command line of QEMU for a machine. vCPUs never start by themselves (`-S`), whatever the mode: the caller resumes.
 * A guest that powers off leaves QEMU in state `shutdown` (`-no-shutdown`), so that it can be told from a crash even
 * by somebody who was not there; the process ends by `kill`.
 * @param virtualSizes What each backing can hold, by disk name, see `measureBacking`.
 * Throws `HYPERVISOR_SPEC_UNSUPPORTED`.
 */
export function qemuArguments(options: LaunchOptions, virtualSizes: ReadonlyMap<string, number>): string[] {
  const { spec, directory, acceleration, mode } = options;
  const { cpu } = spec;
  const file = (name: keyof typeof MACHINE_FILES): string => escapeComma(join(directory, MACHINE_FILES[name]));
  const identity = [`uuid=${spec.uuid}`, ...(spec.serial === undefined ? [] : [`serial=${escapeComma(spec.serial)}`])];
  const groups = [
    ['-name', `guest=${escapeComma(spec.name)},debug-threads=on`],
    ['-nodefaults', '-no-user-config', '-display', 'none', '-msg', 'timestamp=on', '-S', '-no-shutdown'],
    ['-machine', `${spec.machineType},dump-guest-core=off`],
    ['-accel', acceleration === 'kvm' ? 'kvm' : `tcg,thread=multi,tb-size=${TCG_CACHE_MIB}`],
    ['-cpu', cpu.model],
    ['-smp', cpuTopology(cpu)],
    ['-m', `size=${spec.memoryKiB}K`],
    ['-uuid', spec.uuid, '-smbios', `type=1,${identity.join(',')}`],
    ['-rtc', 'base=utc'],
    ['-pidfile', join(directory, MACHINE_FILES.pid)],
    monitor('monitor', file('monitor')),
    monitor('observer', file('observer')),
    [
      '-chardev',
      `socket,id=serial,path=${file('serialSocket')},server=on,wait=off,logfile=${file('serialLog')},logappend=on`,
    ],
    ['-serial', 'chardev:serial'],
    spec.rng ? rng(bus(options)) : [],
    ...spec.nics.map((nic, index) => network(nic, index, options)),
    disks(options, virtualSizes),
    mode === 'incoming' ? ['-incoming', 'defer'] : [],
  ];
  return groups.flat();
}

/** What QEMU's user network takes to forward a host port to the guest. */
export function forwardRule(forward: NicSpec['forwards'][number]): string {
  return `${forward.protocol}:127.0.0.1:${forward.hostPort}-${GUEST_ADDRESS}:${forward.guestPort}`;
}

export function netdevId(index: number): string {
  return `net${index}`;
}

function cpuTopology(cpu: LaunchOptions['spec']['cpu']): string {
  const cpus = cpu.sockets * cpu.cores * cpu.threads;
  return `cpus=${cpus},sockets=${cpu.sockets},cores=${cpu.cores},threads=${cpu.threads}`;
}

function monitor(id: string, path: string): string[] {
  return ['-chardev', `socket,id=${id},path=${path},server=on,wait=off`, '-mon', `chardev=${id},mode=control`];
}

function bus(options: Pick<LaunchOptions, 'spec'>): string {
  return isQ35(options) ? 'pcie.0' : 'pci.0';
}

function isQ35(options: Pick<LaunchOptions, 'spec'>): boolean {
  return options.spec.machineType.includes('q35');
}

function device(properties: object): string[] {
  return ['-device', JSON.stringify(properties)];
}

function slot(index: number, slots: { readonly first: number; readonly last: number }, what: string): string {
  const number = slots.first + index;
  if (number > slots.last) {
    throw unsupported(`At most ${slots.last - slots.first + 1} ${what} are supported`);
  }
  return `0x${number.toString(16)}`;
}

function rng(onBus: string): string[] {
  return [
    '-object',
    'rng-random,id=rng0,filename=/dev/urandom',
    ...device({ driver: 'virtio-rng-pci', id: 'rng', rng: 'rng0', bus: onBus, addr: `0x${RNG_SLOT}` }),
  ];
}

function network(nic: NicSpec, index: number, options: LaunchOptions): string[] {
  const id = netdevId(index);
  // On a migration target the source may hold the same host ports until it ends: they are added on resume.
  const forwards = options.mode === 'incoming' ? [] : nic.forwards.map((forward) => `,hostfwd=${forwardRule(forward)}`);
  const addr = slot(index, NIC_SLOTS, 'network interfaces');
  return [
    '-netdev',
    `user,id=${id},net=10.0.2.0/24,host=10.0.2.1,dhcpstart=${GUEST_ADDRESS},dns=10.0.2.3${forwards.join('')}`,
    ...device({
      driver: nic.model,
      id: `nic-${nic.name}`,
      netdev: id,
      mac: nic.mac,
      bus: bus(options),
      addr,
      romfile: '',
    }),
  ];
}

function disks(options: LaunchOptions, virtualSizes: ReadonlyMap<string, number>): string[] {
  const { spec, backings } = options;
  const controller = { driver: 'virtio-scsi-pci', id: 'scsi', bus: bus(options), addr: `0x${SCSI_SLOT}` };
  const args = takesDisks(spec) ? device(controller) : [];
  const places = placesOf(spec.disks);
  for (const disk of spec.disks) {
    const backing = backings.find((item) => item.name === disk.name);
    const place = places.get(disk.name);
    if (!backing || !place) throw unsupported(`Disk ${disk.name} of ${spec.name} has no backing`);
    const node = rootNode(place.node, 0);
    const tree = backingNodes(disk, backing, node, virtualSizes.get(disk.name) ?? disk.sizeBytes);
    args.push('-blockdev', JSON.stringify(tree), ...device(diskDevice(disk, node, place.unit, options)));
  }
  return args;
}

/** Properties of the guest device of a disk, the same at launch and later. */
export function diskDevice(
  disk: DiskSpec,
  drive: string,
  index: number,
  options: Pick<LaunchOptions, 'spec'>,
): { readonly driver: string; readonly id: string; readonly [property: string]: unknown } {
  const common = {
    id: diskDeviceId(disk.name),
    drive,
    ...(disk.serial === undefined ? {} : { serial: disk.serial }),
    ...(disk.bootOrder === undefined ? {} : { bootindex: disk.bootOrder }),
  };
  const writeCache = { 'write-cache': disk.cache === 'writethrough' ? 'off' : 'on' };
  const cdrom = disk.device === 'cdrom';
  switch (disk.bus) {
    case 'virtio': {
      if (cdrom) throw unsupported(`CD-ROM ${disk.name} cannot be on a virtio bus`);
      const addr = slot(index, DISK_SLOTS, 'virtio disks');
      return { driver: 'virtio-blk-pci', ...common, ...writeCache, bus: bus(options), addr };
    }
    case 'sata': {
      const ports = isQ35(options) ? SATA_PORTS.q35 : SATA_PORTS.pc;
      if (index >= ports) throw unsupported(`At most ${ports} SATA disks are supported`);
      const place = isQ35(options) ? { bus: `ide.${index}` } : { bus: `ide.${index >> 1}`, unit: index & 1 };
      return { driver: cdrom ? 'ide-cd' : 'ide-hd', ...common, ...(cdrom ? {} : writeCache), ...place };
    }
    case 'scsi':
      return {
        driver: cdrom ? 'scsi-cd' : 'scsi-hd',
        ...common,
        ...(cdrom ? {} : writeCache),
        bus: 'scsi.0',
        'scsi-id': index,
      };
  }
}

function unsupported(message: string): Error {
  return hypervisorError('HYPERVISOR_SPEC_UNSUPPORTED', message);
}

/** QEMU's key=value options end at a comma unless it is doubled. */
function escapeComma(text: string): string {
  return text.replaceAll(',', ',,');
}
