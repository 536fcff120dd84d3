import { names } from '@godwit/api';
import type { DataVolume, PersistentVolumeClaim, Stored, VirtualMachine } from '@godwit/api';
import { isStartable } from '../virtual-machine-instance/volumes-ready.ts';
import { ownerReferenceTo } from './owner.ts';

export interface DataVolumeLookups {
  readonly dataVolume: (name: string) => DataVolume | undefined;
  readonly pvc: (name: string) => PersistentVolumeClaim | undefined;
}

/** DataVolumes of the VM's templates that are missing. A claim that exists without its DataVolume is used as it is. */
export function missingDataVolumes(vm: Stored<VirtualMachine>, lookups: DataVolumeLookups): DataVolume[] {
  return (vm.spec.dataVolumeTemplates ?? []).flatMap((template) => {
    const name = template.metadata.name ?? '';
    if (lookups.dataVolume(name) || lookups.pvc(name)) return [];
    return [
      {
        apiVersion: 'cdi.kubevirt.io/v1beta1',
        kind: 'DataVolume',
        metadata: {
          name,
          namespace: vm.metadata.namespace ?? '',
          labels: { ...template.metadata.labels, [names.createdByLabel]: vm.metadata.uid },
          ...(template.metadata.annotations ? { annotations: { ...template.metadata.annotations } } : {}),
          ownerReferences: [ownerReferenceTo(vm)],
        },
        spec: structuredClone(template.spec),
      },
    ];
  });
}

/** The first template DataVolume a guest cannot use yet, in words; undefined when all can be used. */
export function unreadyDataVolume(
  vm: VirtualMachine,
  lookups: DataVolumeLookups,
  isNeeded: (name: string) => boolean = () => true,
): string | undefined {
  for (const template of vm.spec.dataVolumeTemplates ?? []) {
    const name = template.metadata.name ?? '';
    if (!isNeeded(name)) continue;
    const dataVolume = lookups.dataVolume(name);
    if (dataVolume ? !isStartable(dataVolume) : !lookups.pvc(name)) {
      return `DataVolume ${name} is ${dataVolume?.status?.phase || 'not created yet'}`;
    }
  }
  return undefined;
}

export function postponesDataVolumes(vm: VirtualMachine): boolean {
  return vm.metadata.annotations?.[names.immediateDataVolumeCreationAnnotation] === 'false';
}
