import { names } from '@godwit/api';
import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { startedFromAnnotation } from './restart-required.ts';
import { ownerReferenceTo } from './owner.ts';

/** The VMI of a VM: same name, owned by it, made from its template. A receiver waits for a guest from elsewhere. */
export function renderInstance(vm: Stored<VirtualMachine>, receiver: boolean): VirtualMachineInstance {
  const { template } = vm.spec;
  const spec = structuredClone(template.spec);
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: {
      name: vm.metadata.name,
      namespace: vm.metadata.namespace ?? '',
      labels: { ...template.metadata?.labels },
      annotations: {
        ...template.metadata?.annotations,
        [startedFromAnnotation]: JSON.stringify(template.spec),
        ...(receiver ? { [names.createMigrationTargetAnnotation]: 'true' } : {}),
      },
      finalizers: [names.vmiFinalizer],
      ownerReferences: [ownerReferenceTo(vm)],
    },
    spec,
  };
}
