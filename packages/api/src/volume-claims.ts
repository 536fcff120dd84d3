import { isObject } from '@godwit/core/json';
import type { Volume } from './kubevirt/instance-spec.ts';

/** Claim a volume points to; a DataVolume's claim has the DataVolume's name. Undefined for volumes without a claim. */
export function claimOf(volume: Volume): string | undefined {
  const dump = volume['memoryDump'];
  const dumped = isObject(dump) && typeof dump['claimName'] === 'string' ? dump['claimName'] : undefined;
  return volume.persistentVolumeClaim?.claimName ?? volume.dataVolume?.name ?? dumped;
}

/** Volume name to claim name, for the volumes that have one. */
export function claimsOf(volumes: readonly Volume[] | undefined): Map<string, string> {
  const claims = new Map<string, string>();
  for (const volume of volumes ?? []) {
    const claim = claimOf(volume);
    if (claim !== undefined) claims.set(volume.name, claim);
  }
  return claims;
}
