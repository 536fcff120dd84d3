import { apiVersionOf, names, resources } from '@godwit/api';
import type {
  AccessMode,
  DataVolume,
  DataVolumeSpec,
  DataVolumeTemplate,
  VirtualMachine,
  VirtualMachineInstanceMigration,
  Volume,
  VolumeMode,
} from '@godwit/api';

export const namespace = 'default';
export const guestImage = 'godwit/oracle-guest';
/** Serial by which the guest recognises its data disk. */
export const dataDiskSerial = 'oracle';

/** A storage class together with what to ask of it. */
export interface Storage {
  readonly storageClass: string;
  readonly accessMode: AccessMode;
  readonly volumeMode: VolumeMode;
}

export interface Guest {
  readonly name: string;
  readonly userData: string;
  /** Identity that must be the same in both clusters. */
  readonly firmwareUuid: string;
  readonly macAddress: string;
}

const disks = ['root', 'data'] as const;
type DiskName = (typeof disks)[number];
const sizes = { root: '64Mi', data: '256Mi' } satisfies Record<DiskName, string>;

/** Names of the volumes of one place: every move makes a new set. */
export function volumeName(guest: Guest, disk: DiskName, place: number): string {
  return `${guest.name}-${disk}-${place}`;
}

function volumeSpec(disk: DiskName, storage: Storage, source: DataVolumeSpec['source']): DataVolumeSpec {
  return {
    source: source ?? { blank: {} },
    storage: {
      storageClassName: storage.storageClass,
      accessModes: [storage.accessMode],
      volumeMode: storage.volumeMode,
      resources: { requests: { storage: sizes[disk] } },
    },
  };
}

function templates(
  guest: Guest,
  storage: Storage,
  place: number,
  rootSource?: DataVolumeSpec['source'],
): DataVolumeTemplate[] {
  return disks.map((disk) => ({
    metadata: { name: volumeName(guest, disk, place) },
    spec: volumeSpec(disk, storage, disk === 'root' ? rootSource : undefined),
  }));
}

function volumes(guest: Guest, place: number): Volume[] {
  const claims: Volume[] = disks.map((disk) => ({ name: disk, dataVolume: { name: volumeName(guest, disk, place) } }));
  return [...claims, { name: 'seed', cloudInitNoCloud: { userData: guest.userData } }];
}

/** Blank DataVolumes for the guest's next place. */
export function blankDataVolumes(guest: Guest, storage: Storage, place: number): DataVolume[] {
  return templates(guest, storage, place).map((template) => ({
    apiVersion: apiVersionOf(resources.dataVolumes),
    kind: resources.dataVolumes.kind,
    metadata: { ...template.metadata, namespace },
    spec: template.spec,
  }));
}

/** The merge patch that asks for a storage migration: new volumes under the old names, and leave to copy. */
export function storageMovePatch(guest: Guest, storage: Storage, place: number): object {
  return {
    spec: {
      updateVolumesStrategy: 'Migration',
      dataVolumeTemplates: templates(guest, storage, place),
      template: { spec: { volumes: volumes(guest, place) } },
    },
  };
}

/** What the guest needs and no more: emulated guests stand still when memory begins to travel, about half a second per GiB (ADR 0004). */
const guestMemory = '80Mi';

/** `receiver`: waits in the other cluster for the guest to arrive, with empty disks. */
export function virtualMachine(
  guest: Guest,
  storage: Storage,
  place: number,
  role: 'source' | 'receiver',
): VirtualMachine {
  const image = { registry: { url: `docker://${guestImage}` } };
  return {
    apiVersion: apiVersionOf(resources.virtualMachines),
    kind: resources.virtualMachines.kind,
    metadata: {
      name: guest.name,
      namespace,
      ...(role === 'receiver' && { annotations: { [names.restoreRunStrategyAnnotation]: 'Always' } }),
    },
    spec: {
      runStrategy: role === 'receiver' ? 'WaitAsReceiver' : 'Always',
      dataVolumeTemplates: templates(guest, storage, place, role === 'source' ? image : undefined),
      template: {
        spec: {
          domain: {
            cpu: { cores: 1 },
            memory: { guest: guestMemory },
            firmware: { uuid: guest.firmwareUuid },
            devices: {
              disks: [
                { name: 'root', disk: { bus: 'virtio' }, bootOrder: 1 },
                { name: 'data', disk: { bus: 'virtio' }, serial: dataDiskSerial },
                { name: 'seed', disk: { bus: 'virtio' } },
              ],
              interfaces: [{ name: 'default', masquerade: {}, macAddress: guest.macAddress }],
              rng: {},
            },
          },
          networks: [{ name: 'default', pod: {} }],
          terminationGracePeriodSeconds: 30,
          volumes: volumes(guest, place),
        },
      },
    },
  };
}

export function migration(
  guest: Guest,
  generateName: string,
  spec: Omit<VirtualMachineInstanceMigration['spec'], 'vmiName'> = {},
): VirtualMachineInstanceMigration {
  return {
    apiVersion: apiVersionOf(resources.virtualMachineInstanceMigrations),
    kind: resources.virtualMachineInstanceMigrations.kind,
    metadata: { generateName, namespace },
    spec: { vmiName: guest.name, ...spec },
  };
}
