import type { Condition, DataVolume, PersistentVolumeClaim } from '@godwit/api';

/** One claim-backed volume of a VMI, as the caches show it. */
export interface SeenVolume {
  readonly name: string;
  readonly claimName: string;
  readonly fromDataVolume: boolean;
  readonly pvc: PersistentVolumeClaim | undefined;
  readonly dataVolume: DataVolume | undefined;
}

/** DataVolume phases in which a consumer may start: filled, or waiting for exactly this consumer. */
const STARTABLE: readonly (string | undefined)[] = ['Succeeded', 'WaitForFirstConsumer', 'PendingPopulation'];

export function isStartable(dataVolume: DataVolume): boolean {
  return STARTABLE.includes(dataVolume.status?.phase);
}

export type VolumesVerdict =
  | { readonly start: true }
  | { readonly start: false; readonly reason: string; readonly message: string; readonly provisioning: boolean };

/** Whether a launcher pod may be created now, and if not, which volume it waits for. */
export function judgeVolumes(volumes: readonly SeenVolume[]): VolumesVerdict {
  for (const volume of volumes) {
    const { name, claimName, dataVolume } = volume;
    if (volume.fromDataVolume && dataVolume && !isStartable(dataVolume)) {
      const progress = dataVolume.status?.progress ? `, ${dataVolume.status.progress}` : '';
      const phase = dataVolume.status?.phase || 'not started';
      const failed = phase === 'Failed';
      return {
        start: false,
        reason: failed ? 'DataVolumeFailed' : 'DataVolumeNotReady',
        message: `DataVolume ${claimName} of volume ${name} is ${phase}${progress}`,
        provisioning: !failed,
      };
    }
    if (volume.pvc) continue;
    if (volume.fromDataVolume) {
      const what = dataVolume ? `PVC of DataVolume ${claimName}` : `DataVolume ${claimName}`;
      return {
        start: false,
        reason: 'FailedPvcNotFound',
        message: `${what} of volume ${name} does not exist`,
        provisioning: false,
      };
    }
    return {
      start: false,
      reason: 'FailedPvcNotFound',
      message: `PVC ${claimName} of volume ${name} does not exist`,
      provisioning: false,
    };
  }
  return { start: true };
}

/** `DataVolumesReady`, or undefined for a VMI without DataVolumes. */
export function dataVolumesReady(volumes: readonly SeenVolume[]): Condition | undefined {
  const withSource = volumes.filter((volume) => volume.fromDataVolume);
  if (withSource.length === 0) return undefined;
  const unready = withSource.filter(({ dataVolume }) => dataVolume && dataVolume.status?.phase !== 'Succeeded');
  if (unready.length === 0) {
    return {
      type: 'DataVolumesReady',
      status: 'True',
      reason: 'AllDVsReady',
      message: "All of the VMI's DVs are bound and ready",
    };
  }
  const list = unready
    .map(({ claimName, dataVolume }) => `${claimName} (${dataVolume?.status?.phase || 'not started'})`)
    .join(', ');
  return { type: 'DataVolumesReady', status: 'False', reason: 'NotAllDVsReady', message: `Not ready: ${list}` };
}
