import { names, resources } from '@godwit/api';
import type { PersistentVolumeClaim, Stored } from '@godwit/api';
import type { KubeClient } from '@godwit/kube-client';

export interface PopulationState {
  readonly phase: 'Running' | 'Succeeded' | 'Failed';
  readonly percent?: number;
  readonly message: string;
  /** For uploads: whether one is taken now. */
  readonly ready?: boolean;
}

/** The annotations that tell the DataVolume controller how far a claim is. */
export function populationMarks(state: PopulationState): Record<string, string> {
  return {
    [names.populationPhaseAnnotation]: state.phase,
    [names.populationMessageAnnotation]: state.message,
    ...(state.ready !== undefined && { [names.populationReadyAnnotation]: String(state.ready) }),
    ...(state.percent !== undefined && { [names.populationProgressAnnotation]: `${state.percent.toFixed(1)}%` }),
  };
}

/** Writes whatever our copy of the claim says: it may be older than what was reported last. */
export async function reportPopulation(
  client: KubeClient,
  pvc: Stored<PersistentVolumeClaim>,
  state: PopulationState,
): Promise<void> {
  const annotations = populationMarks(state);
  await client.patch(resources.persistentVolumeClaims, pvc.metadata.name, pvc.metadata.namespace ?? '', {
    type: 'merge',
    patch: { metadata: { annotations, uid: pvc.metadata.uid } },
  });
}
