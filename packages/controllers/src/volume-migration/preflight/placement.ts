import { withVolumesOf } from '../with-volumes.ts';
import type { Preflight } from './finding.ts';

/** When the guest has to leave its node, some other node must be able to take it in with the new volumes. */
export const placement: Preflight = (input, changed) => {
  if (changed.every(({ to }) => input.reachableInPlace(to))) return [];
  const volumes = withVolumesOf(input.vm, input.vmi, new Set(changed.map(({ name }) => name)));
  const why = input.whyNoNode?.(volumes);
  if (why === undefined) return [];
  return [
    {
      verdict: 'hold',
      reason: 'NoCandidateNode',
      object: `VirtualMachineInstance ${input.vmi.metadata.name}`,
      field: 'status.nodeName',
      problem: `the new volumes cannot be reached from its node ${input.vmi.status?.nodeName ?? ''}, and no other can take the guest in: ${why}`,
      remedy: 'Make room on a node that can reach them, or name claims that the present node can reach',
    },
  ];
};
