export interface Disk {
  name: string;
  disk?: { bus?: 'virtio' | 'sata' | 'scsi' | 'usb'; readonly?: boolean; pciAddress?: string };
  cdrom?: { bus?: string; readonly?: boolean; tray?: string };
  lun?: unknown;
  bootOrder?: number;
  serial?: string;
  cache?: 'none' | 'writeback' | 'writethrough';
  io?: string;
  shareable?: boolean;
  dedicatedIOThread?: boolean;
  tag?: string;
  blockSize?: unknown;
  errorPolicy?: string;
  [field: string]: unknown;
}

export interface Interface {
  name: string;
  model?: string;
  macAddress?: string;
  masquerade?: object;
  bridge?: object;
  slirp?: object;
  passtBinding?: object;
  binding?: { name: string };
  ports?: { name?: string; port: number; protocol?: string }[];
  bootOrder?: number;
  state?: string;
  [field: string]: unknown;
}

export interface Volume {
  name: string;
  dataVolume?: { name: string; hotpluggable?: boolean };
  persistentVolumeClaim?: { claimName: string; readOnly?: boolean; hotpluggable?: boolean };
  containerDisk?: { image: string; imagePullPolicy?: string; imagePullSecret?: string; path?: string };
  cloudInitNoCloud?: {
    userData?: string;
    userDataBase64?: string;
    secretRef?: { name: string };
    networkData?: string;
    networkDataBase64?: string;
    networkDataSecretRef?: { name: string };
  };
  emptyDisk?: { capacity: string };
  [field: string]: unknown;
}

export interface DomainSpec {
  cpu?: {
    cores?: number;
    sockets?: number;
    threads?: number;
    model?: string;
    maxSockets?: number;
    features?: unknown[];
    [field: string]: unknown;
  };
  memory?: { guest?: string; maxGuest?: string; hugepages?: unknown };
  machine?: { type?: string };
  resources?: { requests?: Record<string, string>; limits?: Record<string, string>; overcommitGuestOverhead?: boolean };
  firmware?: {
    uuid?: string;
    serial?: string;
    bootloader?: { bios?: { useSerial?: boolean }; efi?: unknown };
    kernelBoot?: unknown;
    acpi?: unknown;
  };
  devices: {
    disks?: Disk[];
    interfaces?: Interface[];
    filesystems?: unknown[];
    rng?: object;
    autoattachPodInterface?: boolean;
    autoattachSerialConsole?: boolean;
    autoattachGraphicsDevice?: boolean;
    autoattachMemBalloon?: boolean;
    logSerialConsole?: boolean;
    disableHotplug?: boolean;
    [field: string]: unknown;
  };
  features?: Record<string, unknown>;
  clock?: unknown;
  ioThreadsPolicy?: string;
  launchSecurity?: unknown;
  chassis?: unknown;
}

export interface VirtualMachineInstanceSpec {
  domain: DomainSpec;
  volumes?: Volume[];
  networks?: { name: string; pod?: object; multus?: { networkName: string } }[];
  nodeSelector?: Record<string, string>;
  affinity?: unknown;
  tolerations?: unknown[];
  evictionStrategy?: 'LiveMigrate' | 'LiveMigrateIfPossible' | 'External' | 'None';
  terminationGracePeriodSeconds?: number;
  startStrategy?: 'Paused';
  hostname?: string;
  subdomain?: string;
  architecture?: string;
  [field: string]: unknown;
}
