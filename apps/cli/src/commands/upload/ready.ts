import { names, resources } from '@godwit/api';
import type { KubeObject, PersistentVolumeClaim } from '@godwit/api';
import { GodwitError, isGodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import { claimOf, dataVolumeOf, failed, isFilled, nameOf } from './work.ts';
import type { Work } from './work.ts';

/**
 * Waits until the claim's node takes the image; a claim that waits for its first consumer is told not to. Rejects with
 * `UPLOAD_FAILED` or `UPLOAD_NOT_READY`, which says what the cluster complained of.
 */
export async function untilReady(work: Work, waitSeconds: number): Promise<void> {
  const { line, signal } = work;
  const what = nameOf(work);
  const look = async (): Promise<boolean> => {
    const claim = await claimOf(work);
    if (claim?.metadata.annotations?.[names.populationReadyAnnotation] === 'true') return true;
    if (claim && waitsForConsumer(claim)) await bindAtOnce(work);
    const { phase = '', conditions = [] } = (await dataVolumeOf(work))?.status ?? {};
    if (phase === 'Failed')
      throw failed(work, conditions.find(({ type }) => type === 'Running')?.message ?? 'see kubectl describe dv');
    line.update(`Waiting for ${what} to take the image${phase === '' ? '' : ` (${phase})`}`, phase);
    return false;
  };
  try {
    await waitFor(look, { timeoutMs: waitSeconds * 1000, intervalMs: 200, what, signal });
  } catch (error) {
    if (!isGodwitError(error, 'WAIT_TIMEOUT')) throw error;
    const why = (await lastWarning(work)) ?? 'its node does not answer; see "godwit status"';
    throw new GodwitError('UPLOAD_NOT_READY', `${what} took no image within ${waitSeconds} s: ${why}`);
  }
}

/** True also of claims whose class does not wait; it does them no harm. */
export function waitsForConsumer({ metadata: { annotations = {} }, status }: PersistentVolumeClaim): boolean {
  return (
    status?.phase !== 'Bound' &&
    annotations[names.selectedNodeAnnotation] === undefined &&
    annotations[names.bindImmediatelyAnnotation] === undefined
  );
}

async function bindAtOnce({ client, name, namespace }: Work): Promise<void> {
  const patch = { metadata: { annotations: { [names.bindImmediatelyAnnotation]: '' } } };
  await client.patch(resources.persistentVolumeClaims, name, namespace, { type: 'merge', patch });
}

/** What the cluster complained of last, about the claim or the DataVolume. */
async function lastWarning({ client, name, namespace }: Work): Promise<string | undefined> {
  interface Event extends KubeObject {
    type?: string;
    message?: string;
    involvedObject?: { name?: string };
  }
  const { items } = await client.list<Event>(resources.events, { namespace });
  return items.filter((event) => event.type === 'Warning' && event.involvedObject?.name === name).at(-1)?.message;
}

/** The DataVolume says so a moment after its claim. */
export async function untilSucceeded(work: Work): Promise<void> {
  const succeeded = async (): Promise<boolean> => {
    const dataVolume = await dataVolumeOf(work);
    return dataVolume === undefined ? isFilled(await claimOf(work)) : dataVolume.status?.phase === 'Succeeded';
  };
  const what = `DataVolume ${nameOf(work)} to say that it is filled`;
  await waitFor(succeeded, { timeoutMs: 60_000, intervalMs: 100, what, signal: work.signal });
}
