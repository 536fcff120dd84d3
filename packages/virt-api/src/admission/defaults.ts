import { createHash } from 'node:crypto';
import type { VirtualMachineInstanceSpec } from '@godwit/api';
import { isHotpluggable, normalDisk } from '@godwit/api';

/** RFC 4122 shaped uuid derived from a text; the same text always gives the same uuid (as KubeVirt does for firmware). */
export function stableUuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Fills in what KubeVirt's own mutating webhook fills in: the pod network, disk targets and buses, the machine type and
 * the firmware uuid (which depends on the VM's name only, so that it survives restarts and moves).
 */
export function defaultVmiSpec(spec: VirtualMachineInstanceSpec, name: string): void {
  const { domain } = spec;
  domain.devices ??= {};
  const { devices } = domain;
  if (devices.autoattachPodInterface !== false && !devices.interfaces?.length && !spec.networks?.length) {
    devices.interfaces = [{ name: 'default', masquerade: {} }];
    spec.networks = [{ name: 'default', pod: {} }];
  }
  const pluggable = (name: string): boolean =>
    (spec.volumes ?? []).some((volume) => volume.name === name && isHotpluggable(volume));
  devices.disks &&= devices.disks.map((disk) => (pluggable(disk.name) ? normalDisk(disk) : disk));
  for (const disk of devices.disks ?? []) {
    if (!disk.disk && !disk.cdrom && !disk.lun) disk.disk = {};
    if (disk.disk) disk.disk.bus ??= 'sata';
    if (disk.cdrom) disk.cdrom.bus ??= 'sata';
  }
  // A volume without a disk becomes a disk of the same name.
  for (const volume of spec.volumes ?? []) {
    if (devices.disks?.some((disk) => disk.name === volume.name)) continue;
    const bus = isHotpluggable(volume) ? 'scsi' : 'sata';
    devices.disks = [...(devices.disks ?? []), { name: volume.name, disk: { bus } }];
  }
  domain.machine = { type: 'q35', ...domain.machine };
  domain.firmware ??= {};
  domain.firmware.uuid ??= stableUuid(name);
  spec.architecture ??= 'amd64';
}
