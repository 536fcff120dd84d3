import { claimInfo, usableBytes } from '../../virt/facts.ts';
import type { Preflight } from './finding.ts';

/** Targets that cannot hold the guest's disk. */
export const sizes: Preflight = (input, changed) =>
  changed.flatMap(({ name, from, to }) => {
    const known = input.vmi.status?.volumeStatus?.find((status) => status.name === name)?.size;
    const needed = known ?? usableBytes(claimInfo(from, input.claim(from).pvc));
    const offered = usableBytes(claimInfo(to, input.claim(to).pvc));
    if (needed === undefined || offered === undefined || offered >= needed) return [];
    return [
      {
        verdict: 'hold' as const,
        reason: 'TargetTooSmall',
        object: `PVC ${to}`,
        field: 'spec.resources.requests.storage',
        problem: `it offers ${offered} bytes, the guest's disk ${name} has ${needed}`,
        remedy: `Expand the claim, or name one of at least ${needed} bytes`,
      },
    ];
  });
