import { randomUUID } from 'node:crypto';
import type { DiskBacking } from '../contract/disk-backing.ts';
import type { MachineSpec } from '../contract/machine-spec.ts';

export const BOOT_SECTOR_DISK = 'rootdisk';

/** A machine for the boot sector guest: about 20 MiB of memory, running after a tenth of a second. */
export function bootSectorSpec(options: { name?: string; sizeBytes: number; machineType?: string }): MachineSpec {
  return {
    name: options.name ?? 'tiny',
    uuid: randomUUID(),
    machineType: options.machineType ?? 'pc-i440fx-7.2',
    cpu: { model: 'max', sockets: 1, cores: 1, threads: 1 },
    memoryKiB: 16_392,
    disks: [
      {
        name: BOOT_SECTOR_DISK,
        device: 'disk',
        bus: 'virtio',
        readOnly: false,
        bootOrder: 1,
        cache: 'none',
        sizeBytes: options.sizeBytes,
      },
    ],
    nics: [],
    rng: false,
    serial: undefined,
  };
}

export function rawFile(path: string, name: string = BOOT_SECTOR_DISK): DiskBacking {
  return { name, path, format: 'raw', driver: 'file', readOnly: false };
}
