import { names, resources } from '@godwit/api';
import type { DataVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import type { KubeClient } from '@godwit/kube-client';
import type { LiveLine } from '../demo/live-line.ts';

/** Everything that the steps of an upload share. */
export interface Work {
  readonly namespace: string;
  readonly name: string;
  readonly client: KubeClient;
  readonly line: LiveLine;
  readonly signal: AbortSignal;
}

export function nameOf({ namespace, name }: Work): string {
  return `${namespace}/${name}`;
}

export function failed(work: Work, why: string): GodwitError {
  return new GodwitError('UPLOAD_FAILED', `The upload into ${nameOf(work)} failed: ${why}`);
}

export async function claimOf({ client, name, namespace }: Work): Promise<Stored<PersistentVolumeClaim> | undefined> {
  return client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, namespace);
}

export async function dataVolumeOf({ client, name, namespace }: Work): Promise<Stored<DataVolume> | undefined> {
  return client.get<DataVolume>(resources.dataVolumes, name, namespace);
}

export function isFilled(claim: PersistentVolumeClaim | undefined): boolean {
  return claim?.metadata.annotations?.[names.populationPhaseAnnotation] === 'Succeeded';
}
