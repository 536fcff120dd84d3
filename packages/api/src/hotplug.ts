import type { Disk, VirtualMachineInstanceSpec, Volume } from './kubevirt/instance-spec.ts';
import type { VirtualMachineInstance } from './kubevirt/virtual-machine-instance.ts';

/** The bus of disks that come and go while their guest runs; KubeVirt's default for them. */
const hotplugBus = 'scsi';

/** Volumes that may come and go while their guest runs: claims that say so, as KubeVirt has it. */
export function isHotpluggable(volume: Volume): boolean {
  return volume.dataVolume?.hotpluggable === true || volume.persistentVolumeClaim?.hotpluggable === true;
}

/** A hotpluggable volume's disk with what its user has left out. */
export function normalDisk(disk: Disk): Disk {
  if (disk.cdrom !== undefined || disk.lun !== undefined) return disk;
  return { ...disk, disk: { ...disk.disk, bus: disk.disk?.bus ?? hotplugBus } };
}

/** Why a disk, a normal one, cannot come or go while its guest runs; undefined when it can. */
export function notHotpluggable({ disk }: Disk): string | undefined {
  if (disk === undefined) return 'only a disk can be plugged, neither a CD-ROM nor a LUN';
  if (disk.bus === hotplugBus) return undefined;
  return `its bus is ${disk.bus ?? 'not given'}, and only disks on bus ${hotplugBus} can be plugged`;
}

/** Volumes that the guest still has although the spec names them no more: they are being taken away. */
export function leavingVolumes({ spec, status }: Pick<VirtualMachineInstance, 'spec' | 'status'>): readonly string[] {
  const wanted = new Set((spec.volumes ?? []).map(({ name }) => name));
  return (status?.volumeStatus ?? []).flatMap(({ name, hotplugVolume }) =>
    hotplugVolume !== undefined && !wanted.has(name) ? [name] : [],
  );
}

/** The spec with one more volume and its disk, or without both. */
export function withVolume(spec: VirtualMachineInstanceSpec, volume: Volume, disk: Disk): VirtualMachineInstanceSpec {
  const { domain } = spec;
  const disks = [...(domain.devices.disks ?? []), disk];
  return {
    ...spec,
    volumes: [...(spec.volumes ?? []), volume],
    domain: { ...domain, devices: { ...domain.devices, disks } },
  };
}

export function withoutVolume(spec: VirtualMachineInstanceSpec, name: string): VirtualMachineInstanceSpec {
  const { domain } = spec;
  const disks = (domain.devices.disks ?? []).filter((disk) => disk.name !== name);
  return {
    ...spec,
    volumes: (spec.volumes ?? []).filter((volume) => volume.name !== name),
    domain: { ...domain, devices: { ...domain.devices, disks } },
  };
}
