import { claimsOf } from '../../virt/facts.ts';
import type { VolumeUpdateInput } from '../types.ts';
import { machineOf, volumeField } from './finding.ts';
import type { ChangedVolume, Finding, Preflight } from './finding.ts';

function inUse(
  input: VolumeUpdateInput,
  { name, to }: ChangedVolume,
  problem: string,
  remedy = 'Name a claim of its own that nobody uses',
): Finding {
  return {
    verdict: 'hold',
    reason: 'TargetInUse',
    object: machineOf(input),
    field: volumeField(name),
    problem: `claim ${to} ${problem}`,
    remedy,
  };
}

/** Volume of this guest, other than `name`, that has the claim now. */
function ownUser({ vmi }: VolumeUpdateInput, name: string, claim: string): string | undefined {
  const spec = [...claimsOf(vmi.spec.volumes)].find(([volume, has]) => volume !== name && has === claim);
  if (spec) return spec[0];
  return vmi.status?.volumeStatus?.find(
    (status) => status.name !== name && status.persistentVolumeClaimInfo?.claimName === claim,
  )?.name;
}

function twin({ vm }: VolumeUpdateInput, name: string, claim: string): string | undefined {
  return [...claimsOf(vm.spec.template.spec.volumes)].find(([volume, has]) => volume !== name && has === claim)?.[0];
}

/**
 * A copy overwrites its target: a claim that anything else uses, running or not, or that has data of this guest, must
 * never be one.
 */
export const users: Preflight = (input, changed) =>
  changed.flatMap((volume) => {
    const { name, to } = volume;
    const findings: Finding[] = [];
    const own = ownUser(input, name, to);
    const other = twin(input, name, to);
    if (own !== undefined) {
      findings.push(
        inUse(
          input,
          volume,
          `has the data of volume ${own} of this guest, which the copy would overwrite`,
          'Exchange volumes in two steps, through a claim that nobody uses',
        ),
      );
    } else if (other !== undefined) {
      findings.push(inUse(input, volume, `is named by volume ${other} as well`));
    }
    for (const user of input.usersOf(to))
      findings.push(inUse(input, volume, `is used by ${user}, whose data the copy would overwrite`));
    return findings;
  });
