import type { StorageMigratedVolumeInfo } from '@godwit/api';
import { claimInfo } from '../virt/facts.ts';
import { capacity } from './preflight/capacity.ts';
import { sayAll } from './preflight/finding.ts';
import type { ChangedVolume, Finding, Preflight } from './preflight/finding.ts';
import { attached, migratable, siblings } from './preflight/guest.ts';
import { kinds } from './preflight/kinds.ts';
import { placement } from './preflight/placement.ts';
import { sizes } from './preflight/sizes.ts';
import { targets } from './preflight/targets.ts';
import { users } from './preflight/users.ts';
import type { ClaimExpansion, VolumeUpdateInput } from './types.ts';

export type { ChangedVolume, Finding } from './preflight/finding.ts';

/** In the order they are told in. */
const CHECKS: readonly Preflight[] = [kinds, attached, targets, users, sizes, capacity, migratable, siblings];

export function findings(input: VolumeUpdateInput, changed: readonly ChangedVolume[]): readonly Finding[] {
  const found = CHECKS.flatMap((check) => check(input, changed));
  // Whatever is wrong with the volumes keeps nodes from taking the guest in as well; it is told once.
  return found.length > 0 ? found : placement(input, changed);
}

export interface Refusal {
  readonly verdict: Finding['verdict'];
  readonly reason: string;
  /** Every finding, each with object, field and remedy. */
  readonly message: string;
  /** Words that clients compare literally, of the only finding that takes a restart. */
  readonly known?: string;
  /** Claims to expand now. Only when nothing else is wrong: a claim that is somebody else's is left alone. */
  readonly expand?: readonly ClaimExpansion[];
}

/**
 * What keeps these volumes from being moved now; undefined when nothing does. Something that only a restart can change
 * outweighs what can still come right.
 */
export function checkVolumes(input: VolumeUpdateInput, changed: readonly ChangedVolume[]): Refusal | undefined {
  const all = findings(input, changed);
  const final = all.filter(({ verdict }) => verdict === 'restart');
  const decisive = final[0] ?? all[0];
  if (!decisive) return undefined;
  const expand = all.every(({ reason }) => reason === 'TargetExpanding') ? all.flatMap((one) => one.expand ?? []) : [];
  return {
    verdict: decisive.verdict,
    reason: decisive.reason,
    message: sayAll(all),
    ...(decisive.known === undefined || final.length > 1 ? {} : { known: decisive.known }),
    ...(expand.length > 0 ? { expand } : {}),
  };
}

export function describeMoves(
  input: VolumeUpdateInput,
  changed: readonly ChangedVolume[],
): StorageMigratedVolumeInfo[] {
  return changed.map(({ name, from, to }) => ({
    volumeName: name,
    sourcePVCInfo: claimInfo(from, input.pvc(from)),
    destinationPVCInfo: claimInfo(to, input.pvc(to)),
  }));
}
