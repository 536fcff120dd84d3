import { withCondition } from '@godwit/api';
import type { Condition, KubeVirt, Stored } from '@godwit/api';

/** The KubeVirt release whose API the local runtime speaks. */
export const servedVersion = 'v1.10.0';

const CONDITIONS: readonly Condition[] = [
  { type: 'Available', status: 'True', reason: 'AllComponentsReady', message: 'All components are ready.' },
  { type: 'Created', status: 'True', reason: 'AllResourcesCreated', message: 'All resources were created.' },
  { type: 'Progressing', status: 'False', reason: 'AllComponentsReady', message: 'All components are ready.' },
  { type: 'Degraded', status: 'False', reason: 'AllComponentsReady', message: 'All components are ready.' },
];

/** The KubeVirt object with the status of a deployed installation; `synchronizationAddresses` are not its business. */
export function decideKubeVirt(kubeVirt: Stored<KubeVirt>, nowMs: number): Stored<KubeVirt> {
  let conditions: readonly Condition[] = kubeVirt.status?.conditions ?? [];
  for (const condition of CONDITIONS) conditions = withCondition(conditions, condition, nowMs);
  const status: NonNullable<KubeVirt['status']> = {
    ...kubeVirt.status,
    phase: 'Deployed',
    conditions: [...conditions],
    operatorVersion: servedVersion,
    observedKubeVirtVersion: servedVersion,
    targetKubeVirtVersion: servedVersion,
    ...(kubeVirt.metadata.generation === undefined ? {} : { observedGeneration: kubeVirt.metadata.generation }),
  };
  return { ...kubeVirt, status };
}
