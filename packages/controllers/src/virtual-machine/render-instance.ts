import { isHotpluggable, names, startPaused } from '@godwit/api';
import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { startedFromAnnotation } from './restart-required.ts';
import { ownerReferenceTo } from './owner.ts';

function isPausedAskedFor({ status }: VirtualMachine): boolean {
  const start = status?.stateChangeRequests?.find(({ action }) => action === 'Start');
  return start?.data?.paused === startPaused.paused;
}

/**
 * The VMI of a VM: same name, owned by it, made from its template, with other claims for the volumes in `claims`. A receiver
 * waits for a guest from elsewhere.
 */
export function renderInstance(
  vm: Stored<VirtualMachine>,
  receiver: boolean,
  claims: ReadonlyMap<string, string> = new Map(),
): VirtualMachineInstance {
  const { template } = vm.spec;
  const spec = structuredClone(template.spec);
  if (spec.volumes)
    spec.volumes = spec.volumes.map((volume) => {
      const claimName = claims.get(volume.name);
      const hot = isHotpluggable(volume) ? { hotpluggable: true } : {};
      return claimName === undefined ? volume : { name: volume.name, persistentVolumeClaim: { claimName, ...hot } };
    });
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: {
      name: vm.metadata.name,
      namespace: vm.metadata.namespace ?? '',
      labels: { ...template.metadata?.labels },
      annotations: {
        ...template.metadata?.annotations,
        [startedFromAnnotation]: JSON.stringify(spec),
        ...(receiver ? { [names.createMigrationTargetAnnotation]: 'true' } : {}),
      },
      finalizers: [names.vmiFinalizer],
      ownerReferences: [ownerReferenceTo(vm)],
    },
    // No part of the template: a later start is not paused.
    spec: { ...spec, ...(!receiver && isPausedAskedFor(vm) && { startStrategy: 'Paused' as const }) },
  };
}
