import type {
  PersistentVolumeClaim,
  StorageMigratedVolumeInfo,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  Volume,
} from '@godwit/api';
import { storedVm, storedVmi } from '../../virt/testing/objects.ts';
import { startedFromAnnotation } from '../../virtual-machine/restart-required.ts';
import type { SeenMachine } from '../../virtual-machine/seen.ts';
import type { VolumeUpdateInput } from '../types.ts';

/** A bound claim of 1Gi. */
export function boundPvc(name: string, spec: Partial<PersistentVolumeClaim['spec']> = {}): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
    status: { phase: 'Bound' },
  };
}

/** Volume to claim, as a spec has it. */
export function claimVolumes(claims: Readonly<Record<string, string>>): Volume[] {
  return Object.entries(claims).map(([name, claimName]) => ({ name, persistentVolumeClaim: { claimName } }));
}

/** A volume that moves from claim `<name>-old` to `<name>-new`. */
export function listed(name = 'root'): StorageMigratedVolumeInfo {
  return {
    volumeName: name,
    sourcePVCInfo: { claimName: `${name}-old` },
    destinationPVCInfo: { claimName: `${name}-new` },
  };
}

/** A VM with strategy Migration, unless `spec` says otherwise. */
export function machineOn(volumes: readonly Volume[], spec: Partial<VirtualMachine['spec']> = {}) {
  const vm = storedVm({ updateVolumesStrategy: 'Migration', ...spec });
  vm.spec.template.spec.volumes = [...volumes];
  return vm;
}

/** A VM with these claims and this strategy; `none` is none. */
export function machineWith(claims: Readonly<Record<string, string>>, strategy = 'Migration'): Stored<VirtualMachine> {
  const vm = machineOn(claimVolumes(claims), { updateVolumesStrategy: strategy });
  if (strategy === 'none') delete vm.spec.updateVolumesStrategy;
  return vm;
}

/** A running guest that was started on `started`. */
export function guestOn(
  volumes: readonly Volume[],
  status: VirtualMachineInstance['status'] = {},
  started = volumes,
): Stored<VirtualMachineInstance> {
  const from = JSON.stringify(machineOn(started).spec.template.spec);
  const vmi = storedVmi({ phase: 'Running', ...status }, { annotations: { [startedFromAnnotation]: from } });
  vmi.spec.volumes = [...volumes];
  return vmi;
}

export type Seen = SeenMachine & VolumeUpdateInput;

/** A running VM in a cluster where every claim exists and can be reached, and nothing else is. */
export function seenMachine(
  vm: Stored<VirtualMachine>,
  vmi: Stored<VirtualMachineInstance>,
  more: Partial<Seen> = {},
): Seen {
  const pvc = more.pvc ?? ((name: string) => boundPvc(name));
  return {
    vm,
    vmi,
    nameTaken: false,
    pvc,
    dataVolume: () => undefined,
    claim: (name) => ({ pvc: pvc(name), pv: undefined, storageClass: undefined }),
    usersOf: () => [],
    readyNodes: () => [],
    reachableInPlace: () => true,
    activeMigrations: [],
    liveUpdate: true,
    ...more,
  };
}
