import { requestFor, usableBytes } from '@godwit/api';
import { formatBytesQuantity, quantityBytes } from '@godwit/core/quantity';
import { claimInfo } from '../../virt/facts.ts';
import type { VolumeUpdateInput } from '../types.ts';
import type { ChangedVolume, Finding, Preflight } from './finding.ts';

/** A target that lacks at most this share of the disk is made bigger; more than that is a mistake to be told. */
const SLIGHT = 0.1;
const FIELD = 'spec.resources.requests.storage';

function tooSmall(input: VolumeUpdateInput, { name, from, to }: ChangedVolume): Finding | undefined {
  const { pvc, storageClass } = input.claim(to);
  const known = input.vmi.status?.volumeStatus?.find((status) => status.name === name)?.size;
  const needed = known ?? usableBytes(claimInfo(from, input.claim(from).pvc));
  const info = claimInfo(to, pvc);
  const offered = usableBytes(info);
  if (needed === undefined || offered === undefined || offered >= needed) return undefined;
  const request = requestFor(needed, info);
  const size = formatBytesQuantity(request);
  const finding: Finding = {
    verdict: 'hold',
    reason: 'TargetTooSmall',
    object: `PVC ${to}`,
    field: FIELD,
    problem: `it offers ${offered} bytes, the guest's disk ${name} has ${needed}`,
    remedy: `Set it to at least ${size}, or name a bigger claim`,
  };
  const bound = pvc?.status?.phase === 'Bound';
  if (!bound) return { ...finding, remedy: `Create the claim anew with at least ${size}, or name a bigger one` };
  const grows = storageClass?.allowVolumeExpansion === true;
  if (!grows) {
    const why = `storage class ${pvc?.spec.storageClassName ?? '(none)'} does not allow volumes to grow`;
    return { ...finding, remedy: `Name a claim of at least ${size}: ${why}` };
  }
  const expanding: Finding = {
    ...finding,
    reason: 'TargetExpanding',
    remedy: `The volume is being expanded to ${size}; the move begins when it has grown`,
  };
  if (quantityBytes(info.requests?.storage ?? '0') >= request) return expanding;
  return needed - offered <= needed * SLIGHT ? { ...expanding, expand: { claim: to, size } } : finding;
}

/** Targets that cannot hold the guest's disk as they are. */
export const sizes: Preflight = (input, changed) =>
  changed.flatMap((volume) => {
    const finding = tooSmall(input, volume);
    return finding ? [finding] : [];
  });
