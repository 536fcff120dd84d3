import { createHash } from 'node:crypto';
import type { Disk, Interface, Stored, VirtualMachineInstance, Volume } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { quantityBytes } from '@godwit/core/quantity';
import type { Acceleration, DiskSpec, MachineSpec, NicSpec } from '@godwit/hypervisor';
import { guestMemoryKiB } from '@godwit/hypervisor';

export interface MachineFacts {
  readonly acceleration: Acceleration;
  readonly qemu: { readonly major: number; readonly minor: number };
  /** Guest-visible size of every volume that a disk shows. */
  readonly sizeOf: (volume: string) => number;
}

const DEFAULT_MEMORY = '64Mi';
const IMPLICIT_NIC: Interface = { name: 'default', masquerade: {} };

function uuidFrom(seed: string): string {
  const hex = createHash('sha1').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A locally administered address that is the same whenever this VMI's interface is built again. */
export function deterministicMac(vmiUid: string, nic: string): string {
  const bytes = createHash('sha256').update(`${vmiUid}/${nic}`).digest().subarray(0, 5);
  return ['02', ...[...bytes].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** The machine type with its version, so that both sides of a later migration mean the same hardware. */
export function versionedMachineType(wanted: string | undefined, qemu: { major: number; minor: number }): string {
  const version = `${qemu.major}.${qemu.minor}`;
  if (wanted === undefined || wanted === '' || wanted === 'q35') return `pc-q35-${version}`;
  if (wanted === 'pc') return `pc-i440fx-${version}`;
  return wanted;
}

/** Guest RAM as the user asked for it: `memory.guest`, else the memory request, else the limit. */
export function requestedMemoryBytes(vmi: Pick<VirtualMachineInstance, 'spec'>): number {
  const { memory, resources } = vmi.spec.domain;
  return quantityBytes(memory?.guest ?? resources?.requests?.memory ?? resources?.limits?.memory ?? DEFAULT_MEMORY);
}

export interface CpuTopology {
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

/** Topology as given; without one, as many sockets as whole CPUs are requested. */
export function cpuTopology(vmi: Pick<VirtualMachineInstance, 'spec'>): CpuTopology {
  const { cpu, resources } = vmi.spec.domain;
  if (cpu?.cores !== undefined || cpu?.sockets !== undefined || cpu?.threads !== undefined)
    return { sockets: cpu.sockets ?? 1, cores: cpu.cores ?? 1, threads: cpu.threads ?? 1 };
  const requested = resources?.requests?.cpu ?? resources?.limits?.cpu;
  const sockets = requested === undefined ? 1 : Math.max(1, quantityBytes(requested));
  return { sockets, cores: 1, threads: 1 };
}

function cpuModel(wanted: string | undefined, acceleration: Acceleration): string {
  if (wanted === undefined || wanted === '' || wanted === 'host-model' || wanted === 'host-passthrough')
    return acceleration === 'kvm' ? 'host' : 'max';
  return wanted;
}

export function isCdrom(disk: Disk): boolean {
  return disk.cdrom !== undefined;
}

function busOf(disk: Disk): DiskSpec['bus'] {
  const bus = disk.cdrom?.bus ?? disk.disk?.bus ?? (isCdrom(disk) ? 'sata' : 'virtio');
  if (bus === 'virtio' || bus === 'sata' || bus === 'scsi') return bus;
  throw new GodwitError(
    'MACHINE_UNSUPPORTED',
    `Disk "${disk.name}" wants bus "${bus}"; virtio, sata and scsi are there`,
  );
}

function readOnlyOf(disk: Disk, volume: Volume): boolean {
  if (isCdrom(disk)) return disk.cdrom?.readonly ?? true;
  return disk.disk?.readonly === true || volume.persistentVolumeClaim?.readOnly === true;
}

export function diskSpec(disk: Disk, volume: Volume, sizeBytes: number): DiskSpec {
  return {
    name: disk.name,
    device: isCdrom(disk) ? 'cdrom' : 'disk',
    bus: busOf(disk),
    readOnly: readOnlyOf(disk, volume),
    ...(disk.serial !== undefined && { serial: disk.serial }),
    ...(disk.bootOrder !== undefined && { bootOrder: disk.bootOrder }),
    cache: disk.cache ?? 'none',
    sizeBytes,
  };
}

function nicSpec(nic: Interface, vmiUid: string): NicSpec {
  const model = nic.model ?? 'virtio';
  if (model !== 'virtio' && model !== 'e1000')
    throw new GodwitError(
      'MACHINE_UNSUPPORTED',
      `Interface "${nic.name}" wants model "${model}"; virtio and e1000 are there`,
    );
  return {
    name: nic.name,
    mac: (nic.macAddress ?? deterministicMac(vmiUid, nic.name)).toLowerCase().replaceAll('-', ':'),
    model: model === 'virtio' ? 'virtio-net-pci' : 'e1000',
    backend: 'user',
    // Nothing listens on the host unless somebody asks for a port forward.
    forwards: [],
  };
}

/** Interfaces of the guest: the listed ones, or KubeVirt's implicit masquerade interface. */
export function interfacesOf(vmi: Pick<VirtualMachineInstance, 'spec'>): readonly Interface[] {
  const { interfaces, autoattachPodInterface } = vmi.spec.domain.devices;
  if (interfaces !== undefined && interfaces.length > 0) return interfaces;
  return autoattachPodInterface === false ? [] : [IMPLICIT_NIC];
}

export interface ShownVolume {
  readonly disk: Disk;
  readonly volume: Volume;
}

/** Disks in device order, each with its volume; a volume that no disk names shows as a virtio disk, as KubeVirt does. */
export function shownVolumes(vmi: Pick<VirtualMachineInstance, 'spec'>): readonly ShownVolume[] {
  const disks = vmi.spec.domain.devices.disks ?? [];
  const volumes = new Map((vmi.spec.volumes ?? []).map((volume) => [volume.name, volume]));
  const shown = disks.map((disk) => {
    const volume = volumes.get(disk.name);
    if (!volume) throw new GodwitError('MACHINE_UNSUPPORTED', `Disk "${disk.name}" has no volume of that name`);
    volumes.delete(disk.name);
    return { disk, volume };
  });
  return [...shown, ...[...volumes.values()].map((volume) => ({ disk: { name: volume.name }, volume }))];
}

/** The guest-visible machine of a VMI. Throws `MACHINE_UNSUPPORTED` for what cannot be built. */
export function machineSpecOf(vmi: Stored<VirtualMachineInstance>, facts: MachineFacts): MachineSpec {
  const { domain } = vmi.spec;
  return {
    name: vmi.metadata.name,
    uuid: domain.firmware?.uuid ?? uuidFrom(vmi.metadata.name),
    machineType: versionedMachineType(domain.machine?.type, facts.qemu),
    cpu: { model: cpuModel(domain.cpu?.model, facts.acceleration), ...cpuTopology(vmi) },
    memoryKiB: guestMemoryKiB(requestedMemoryBytes(vmi), facts.acceleration, facts.qemu),
    disks: shownVolumes(vmi).map(({ disk, volume }) => diskSpec(disk, volume, facts.sizeOf(volume.name))),
    nics: interfacesOf(vmi).map((nic) => nicSpec(nic, vmi.metadata.uid)),
    rng: domain.devices.rng !== undefined,
    serial: domain.firmware?.serial,
    hotplug: domain.devices.disableHotplug !== true,
  };
}
