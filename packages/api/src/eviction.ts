import type { KubeVirt } from './kubevirt/installation.ts';
import type { VirtualMachineInstance } from './kubevirt/virtual-machine-instance.ts';

/** What becomes of a guest whose launcher pod is to be evicted; every value KubeVirt knows. */
export const evictionStrategies = ['LiveMigrate', 'LiveMigrateIfPossible', 'External', 'None'] as const;
export type EvictionStrategy = (typeof evictionStrategies)[number];

/** Condition of a VMI that is to leave its node; KubeVirt's type and reason. */
export const evictionRequested = 'EvictionRequested';
/** Condition of a VMI whose evacuation was given up for the time being; its message says when it is tried again. */
export const evacuationFailed = 'EvacuationFailed';

/** The strategy in force: the VMI's own, else the cluster's; undefined when neither says anything. */
export function evictionStrategyOf(
  vmi: VirtualMachineInstance,
  kubeVirt: KubeVirt | undefined,
): EvictionStrategy | undefined {
  return vmi.spec.evictionStrategy ?? kubeVirt?.spec?.configuration?.evictionStrategy;
}
