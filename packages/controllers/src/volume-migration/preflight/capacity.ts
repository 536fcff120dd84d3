import { quantityBytes } from '@godwit/core/quantity';
import { isOurs, poolOf } from '../../storage/storage-class.ts';
import type { Pool } from '../../storage/storage-class.ts';
import type { VolumeUpdateInput } from '../types.ts';
import type { Finding, Preflight } from './finding.ts';

/** Claims whose volumes the guest's node still has to make, by pool. */
function toBeMade(input: VolumeUpdateInput, claims: readonly string[]): Map<Pool, Map<string, number>> {
  const pools = new Map<Pool, Map<string, number>>();
  for (const name of claims) {
    const { pvc, pv, storageClass } = input.claim(name);
    if (!pvc || pv || pvc.status?.phase === 'Bound' || (pvc.spec.volumeName ?? '') !== '') continue;
    if (!storageClass || !isOurs(storageClass) || !input.reachableInPlace(name)) continue;
    const pool = poolOf(storageClass);
    const bytes = quantityBytes(pvc.spec.resources?.requests?.storage ?? '0');
    pools.set(pool, new Map([...(pools.get(pool) ?? []), [name, bytes]]));
  }
  return pools;
}

/** Targets that the guest's node is to make, all of them together, and has no room for. */
export const capacity: Preflight = (input, changed) => {
  const made = toBeMade(input, [...new Set(changed.map(({ to }) => to))]);
  return [...made].flatMap(([pool, claims]): Finding[] => {
    const free = input.freeBytes?.(pool);
    const asked = [...claims.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (free === undefined || asked <= free) return [];
    return [
      {
        verdict: 'hold',
        reason: 'TargetPoolFull',
        object: `PVC ${[...claims.keys()].join(', ')}`,
        field: 'spec.resources.requests.storage',
        problem: `the ${pool} pool of node ${input.vmi.status?.nodeName ?? ''} has ${free} bytes free, ${asked} are asked for`,
        remedy: 'Free space there (it is looked at every minute), or name smaller claims or claims of another class',
      },
    ];
  });
};
