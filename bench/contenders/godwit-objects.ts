import { randomUUID } from 'node:crypto';
import { apiVersionOf, names, resources } from '@godwit/api';
import type { DataVolumeTemplate, PersistentVolumeClaim, VirtualMachine, Volume } from '@godwit/api';
import { dataSerial } from '../guest/seed.ts';

export const namespace = 'default';
export const guestReference = 'godwit/bench-guest';

export interface BenchMachine {
  readonly name: string;
  readonly userData: string;
  readonly memoryMib: number;
  readonly diskMib: number;
  /** Where the data disk comes from, and where it is: on the node, or shared by all. */
  readonly diskReference: string;
  readonly travels: boolean;
}

const rootVolume = (machine: BenchMachine): string => `${machine.name}-root`;
export const firstDataVolume = (machine: BenchMachine): string => `${machine.name}-data`;

function template(name: string, mebibytes: number, shared: boolean, reference: string): DataVolumeTemplate {
  return {
    metadata: { name },
    spec: {
      source: { registry: { url: `docker://${reference}` } },
      storage: {
        storageClassName: shared ? 'shared' : 'local',
        accessModes: [shared ? 'ReadWriteMany' : 'ReadWriteOnce'],
        volumeMode: 'Filesystem',
        resources: { requests: { storage: `${mebibytes}Mi` } },
      },
    },
  };
}

function templates(machine: BenchMachine, withData: boolean): DataVolumeTemplate[] {
  const root = template(rootVolume(machine), 64, true, guestReference);
  if (!withData) return [root];
  return [root, template(firstDataVolume(machine), machine.diskMib, !machine.travels, machine.diskReference)];
}

function volumes(machine: BenchMachine, data: Volume): Volume[] {
  return [
    { name: 'root', dataVolume: { name: rootVolume(machine) } },
    data,
    { name: 'seed', cloudInitNoCloud: { userData: machine.userData } },
  ];
}

export function virtualMachine(machine: BenchMachine): VirtualMachine {
  return {
    apiVersion: apiVersionOf(resources.virtualMachines),
    kind: resources.virtualMachines.kind,
    metadata: { name: machine.name, namespace },
    spec: {
      runStrategy: 'Always',
      dataVolumeTemplates: templates(machine, true),
      template: {
        spec: {
          domain: {
            cpu: { cores: 1 },
            memory: { guest: `${machine.memoryMib}Mi` },
            firmware: { uuid: randomUUID() },
            devices: {
              disks: [
                { name: 'root', disk: { bus: 'virtio' }, bootOrder: 1 },
                { name: 'data', disk: { bus: 'virtio' }, serial: dataSerial },
                { name: 'seed', disk: { bus: 'virtio' } },
              ],
              interfaces: [{ name: 'default', masquerade: {}, macAddress: '52:54:00:be:0c:02' }],
              rng: {},
            },
          },
          networks: [{ name: 'default', pod: {} }],
          terminationGracePeriodSeconds: 0,
          volumes: volumes(machine, { name: 'data', dataVolume: { name: firstDataVolume(machine) } }),
        },
      },
    },
  };
}

/** An empty claim that is provisioned on the node at once: what is asked for finds all objects ready. */
export function emptyClaim(machine: BenchMachine, name: string, node: string): PersistentVolumeClaim {
  return {
    apiVersion: apiVersionOf(resources.persistentVolumeClaims),
    kind: resources.persistentVolumeClaims.kind,
    metadata: { name, namespace, annotations: { [names.selectedNodeAnnotation]: node } },
    spec: {
      storageClassName: 'local',
      accessModes: ['ReadWriteOnce'],
      volumeMode: 'Filesystem',
      resources: { requests: { storage: `${machine.diskMib}Mi` } },
    },
  };
}

/** The merge patch that asks for the data disk to be moved to a claim. */
export function movePatch(machine: BenchMachine, claim: string): object {
  return {
    spec: {
      updateVolumesStrategy: 'Migration',
      dataVolumeTemplates: templates(machine, false),
      template: {
        spec: { volumes: volumes(machine, { name: 'data', persistentVolumeClaim: { claimName: claim } }) },
      },
    },
  };
}
