import type {
  Condition,
  Pod,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { machine, namespace } from './cluster.ts';

const created = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };

/** A stored VM: spec and status over a small default. */
export function storedVm(
  spec: Partial<VirtualMachine['spec']> = {},
  status: VirtualMachine['status'] = {},
): Stored<VirtualMachine> {
  const vm = machine('vm1', spec);
  return { ...vm, metadata: { ...vm.metadata, ...created, name: 'vm1', uid: 'vm-uid', generation: 1 }, status };
}

export function storedVmi(
  status: VirtualMachineInstance['status'] = {},
  changes: { claim?: string; annotations?: Record<string, string>; deleted?: boolean; uid?: string } = {},
): Stored<VirtualMachineInstance> {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: {
      ...created,
      name: 'vm1',
      namespace,
      uid: changes.uid ?? 'vmi-uid',
      annotations: changes.annotations ?? {},
      finalizers: ['foregroundDeleteVirtualMachine'],
      ...(changes.deleted ? { deletionTimestamp: '2026-01-01T00:01:00Z' } : {}),
    },
    spec: {
      domain: { memory: { guest: '128Mi' }, devices: { disks: [{ name: 'root', disk: { bus: 'virtio' } }] } },
      volumes: [{ name: 'root', persistentVolumeClaim: { claimName: changes.claim ?? 'root-old' } }],
    },
    status,
  };
}

export function storedPod(
  name: string,
  changes: {
    node?: string;
    phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
    labels?: Record<string, string>;
  } = {},
): Stored<Pod> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...created, name, namespace, uid: `uid-${name}`, labels: changes.labels ?? {} },
    spec: { containers: [], ...(changes.node === undefined ? {} : { nodeName: changes.node }) },
    status: { phase: changes.phase ?? 'Running' },
  };
}

export function storedMigration(
  name: string,
  changes: {
    phase?: NonNullable<VirtualMachineInstanceMigration['status']>['phase'];
    endedAt?: string;
    spec?: object;
    annotations?: Record<string, string>;
  } = {},
): Stored<VirtualMachineInstanceMigration> {
  const { phase } = changes;
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { ...created, name, namespace, uid: `uid-${name}`, annotations: changes.annotations ?? {} },
    spec: { vmiName: 'vm1', ...changes.spec },
    ...(phase === undefined
      ? {}
      : {
          status: {
            phase,
            phaseTransitionTimestamps: [
              { phase, phaseTransitionTimestamp: changes.endedAt ?? created.creationTimestamp },
            ],
          },
        }),
  };
}

export function condition(type: string, status: 'True' | 'False' = 'True', more: Partial<Condition> = {}): Condition {
  return { type, status, ...more };
}
