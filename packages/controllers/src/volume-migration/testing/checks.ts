import type {
  DataVolume,
  Disk,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VirtualMachineInstance,
} from '@godwit/api';
import { storedVmi } from '../../virt/testing/objects.ts';
import { checkVolumes } from '../checks.ts';
import { changedVolumes } from '../decide.ts';
import type { VolumeUpdateInput } from '../types.ts';
import { boundPvc, claimVolumes, machineWith, seenMachine } from './objects.ts';

/** What is different from an ordinary change: volume `root` of a running VM from claim `old` to `new`. */
export interface Changes {
  /** Volume to claim, in the VM. */
  readonly wanted?: Record<string, string>;
  /** Volume to claim, under the guest. */
  readonly running?: Record<string, string>;
  readonly claims?: Record<
    string,
    Partial<PersistentVolumeClaim['spec']> & {
      phase?: 'Bound' | 'Lost' | 'Pending';
      capacity?: string;
      annotations?: Record<string, string>;
    }
  >;
  readonly dataVolumes?: readonly DataVolume[];
  readonly expandable?: boolean;
  readonly storageClass?: StorageClass | undefined;
  readonly pv?: PersistentVolume;
  readonly disk?: Partial<Disk>;
  readonly status?: VirtualMachineInstance['status'];
  readonly usersOf?: (claim: string) => readonly string[];
  readonly inPlace?: boolean;
  readonly whyNoNode?: string;
  readonly free?: number;
}

export function classOf(provisioner: string, allowVolumeExpansion = false): StorageClass {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'fast' },
    provisioner,
    allowVolumeExpansion,
  };
}

export function input(changes: Changes): VolumeUpdateInput {
  const vm = machineWith(changes.wanted ?? { root: 'new' });
  const vmi = storedVmi({ phase: 'Running', ...changes.status });
  vmi.spec.volumes = claimVolumes(changes.running ?? { root: 'old' });
  if (changes.disk) vmi.spec.domain.devices.disks = [{ name: 'root', disk: {}, ...changes.disk }];
  const pvc = (name: string): PersistentVolumeClaim | undefined => {
    if (name === 'nowhere') return undefined;
    const { phase = 'Bound', capacity, annotations = {}, ...spec } = changes.claims?.[name] ?? {};
    const pvc = boundPvc(name, spec);
    pvc.metadata.annotations = { ...annotations };
    pvc.status = { phase, ...(capacity === undefined ? {} : { capacity: { storage: capacity } }) };
    return pvc;
  };
  const storageClass = 'storageClass' in changes ? changes.storageClass : classOf('p', changes.expandable ?? false);
  return seenMachine(vm, vmi, {
    pvc,
    dataVolume: (name) => changes.dataVolumes?.find((one) => one.metadata.name === name),
    claim: (name) => ({ pvc: pvc(name), pv: changes.pv, storageClass }),
    usersOf: changes.usersOf ?? (() => []),
    whyNoNode: () => changes.whyNoNode,
    freeBytes: () => changes.free,
    reachableInPlace: () => changes.inPlace ?? false,
  });
}

export const refusal = (changes: Changes) => {
  const seen = input(changes);
  return checkVolumes(seen, changedVolumes(seen.vm, seen.vmi));
};
