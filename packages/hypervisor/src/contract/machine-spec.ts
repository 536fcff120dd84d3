/** The guest-visible machine, free of any host path: two sides of a migration must agree on all of it. */
export interface MachineSpec {
  readonly name: string;
  readonly uuid: string;
  /** Versioned, for example `pc-q35-7.2`. */
  readonly machineType: string;
  readonly cpu: { readonly model: string; readonly sockets: number; readonly cores: number; readonly threads: number };
  /** Exact RAM size. Under TCG before QEMU 9.0 it must not be a multiple of 256 (KiB), see `guestMemoryKiB`. */
  readonly memoryKiB: number;
  readonly disks: readonly DiskSpec[];
  readonly nics: readonly NicSpec[];
  readonly rng: boolean;
  readonly serial: string | undefined;
  /** There is a SCSI controller from the start, so that disks can come and go; absent: only when a disk needs one. */
  readonly hotplug?: boolean;
}

/** Where a disk is in its machine, whatever others come and go. */
export interface DiskPlace {
  /** Names its block nodes. */
  readonly node: number;
  /** On its bus. */
  readonly unit: number;
}

export interface DiskSpec {
  /** The KubeVirt volume name; also the block node name prefix and device id. */
  readonly name: string;
  readonly device: 'disk' | 'cdrom';
  readonly bus: 'virtio' | 'sata' | 'scsi';
  readonly readOnly: boolean;
  readonly serial?: string;
  readonly bootOrder?: number;
  readonly cache: 'none' | 'writeback' | 'writethrough';
  /** Guest-visible size; a larger file or device behind it stays hidden. */
  readonly sizeBytes: number;
  /** Absent: the order of `disks` says it. */
  readonly place?: DiskPlace;
}

export interface NicSpec {
  readonly name: string;
  readonly mac: string;
  readonly model: 'virtio-net-pci' | 'e1000';
  /** `user`: NAT as KubeVirt's masquerade: guest 10.0.2.2, gateway 10.0.2.1. */
  readonly backend: 'user';
  readonly forwards: readonly {
    readonly protocol: 'tcp' | 'udp';
    readonly hostPort: number;
    readonly guestPort: number;
  }[];
}
