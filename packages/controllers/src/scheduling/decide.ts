import { unknownCpuModel } from './cpu-model.ts';
import { unknownMachineType } from './machine-type.ts';
import { placements, summary } from './placements.ts';
import type { PlacementInput } from './placements.ts';
import { claimsToPlace } from './volumes.ts';

export type SchedulingSeen = PlacementInput;

export type SchedulingPlan =
  | { readonly do: 'bind'; readonly node: string; readonly placeClaims: readonly string[] }
  | { readonly do: 'wait'; readonly message: string };

/** Chooses the node of a pod, or says in kube-scheduler's words why there is none. */
export function decideScheduling(seen: SchedulingSeen): SchedulingPlan {
  const found = placements(seen);
  const best = found.fitting[0];
  return best === undefined
    ? {
        do: 'wait',
        message: [summary(found), unknownMachineType(seen), unknownCpuModel(seen)].filter(Boolean).join(' '),
      }
    : { do: 'bind', node: best, placeClaims: claimsToPlace(seen.claims, best) };
}
