import type { ClaimExpansion, VolumeUpdateInput } from '../types.ts';

/** A volume whose claim differs between the VM's template and the running VMI. */
export interface ChangedVolume {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly toDataVolume: boolean;
}

/** One thing that keeps volumes from being moved: on which object, in which field, and what to do about it. */
export interface Finding {
  /** `hold`: it can go on once the world has changed. `restart`: never under the running guest. */
  readonly verdict: 'hold' | 'restart';
  readonly reason: string;
  readonly object: string;
  readonly field: string;
  readonly problem: string;
  readonly remedy: string;
  /** KubeVirt's words for it, which clients compare literally. */
  readonly known?: string;
  /** What heals it, if it is all that is found. */
  readonly expand?: ClaimExpansion;
}

export type Preflight = (input: VolumeUpdateInput, changed: readonly ChangedVolume[]) => readonly Finding[];

export function say({ object, field, problem, remedy }: Finding): string {
  return `${object}, ${field}: ${problem}. ${remedy}.`;
}

/** All findings in one text; numbered when there are several. */
export function sayAll(findings: readonly Finding[]): string {
  if (findings.length === 1) return findings.map(say).join('');
  return findings.map((finding, index) => `(${index + 1}) ${say(finding)}`).join(' ');
}

/** Field of a volume in the VM's template. */
export function volumeField(name: string, rest = ''): string {
  return `spec.template.spec.volumes[${name}]${rest}`;
}

export function machineOf({ vm }: VolumeUpdateInput): string {
  return `VirtualMachine ${vm.metadata.name}`;
}
