import { begunCopies, isPopulated } from '@godwit/api';
import type { PersistentVolumeClaim, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimsOf } from '../virt/facts.ts';
import { newestClaims } from './newest.ts';

type Status = NonNullable<VirtualMachine['status']>;

export interface LastVolumes {
  /** Claim by volume that has the VM's data; undefined when none is known to have any. */
  readonly lastVolumes: Status['lastVolumes'];
  /** Bytes of each disk there, as its guest last saw it; undefined when no guest has said. */
  readonly lastDiskBytes: Status['lastDiskBytes'];
  /** Claims that copies were begun to, and that are not among them. */
  readonly unfinishedCopies: Status['unfinishedCopies'];
}

/**
 * Where the data of a VM are: where its guest wrote last, or what was prepared for the first one. An edit of a stopped VM
 * without strategy Migration is taken as what it says, unless it names a claim that has only part of a copy: such a claim counts
 * once a guest has run on it. The record of unfinished copies is what keeps one from ever being copied over the original.
 */
export function decideLastVolumes(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance | undefined,
  pvc: (claimName: string) => PersistentVolumeClaim | undefined,
  copied: Readonly<Record<string, string>> = {},
): LastVolumes {
  const begun = begunCopies(vm);
  const prepared = vmi ? {} : preparedVolumes(vm, pvc, begun);
  const accepted = vm.spec.updateVolumesStrategy === 'Migration' ? {} : prepared;
  const newest = newestClaims(vm, vmi);
  const last = { ...prepared, ...newest, ...accepted, ...copied };
  const known = new Set(Object.values(last));
  const unfinished = begun.filter((claim) => !known.has(claim) && pvc(claim) !== undefined);
  const sizes = diskBytes(vm, vmi, last);
  return {
    lastVolumes: newest === undefined && known.size === 0 ? undefined : last,
    lastDiskBytes: Object.keys(sizes).length === 0 ? undefined : sizes,
    unfinishedCopies: unfinished.length === 0 ? undefined : unfinished,
  };
}

/**
 * A disk that was moved to a bigger claim has its old size until it starts anew. While there is a VMI, only what its node
 * says of the very claim counts: a guest that starts may see a bigger disk than the one before.
 */
function diskBytes(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance | undefined,
  last: Readonly<Record<string, string>>,
): Record<string, number> {
  const { lastVolumes = {}, lastDiskBytes = {} } = vm.status ?? {};
  const known = ([volume, claim]: [string, string]): [string, number][] => {
    const said = vmi?.status?.volumeStatus?.find(({ name }) => name === volume);
    const told = said?.persistentVolumeClaimInfo?.claimName === claim ? said.size : undefined;
    const size = vmi ? told : lastVolumes[volume] === claim ? lastDiskBytes[volume] : undefined;
    return size === undefined ? [] : [[volume, size]];
  };
  return Object.fromEntries(Object.entries(last).flatMap(known));
}

/** Claims of the template that hold something: those without a volume, or still to be filled, do not. */
function preparedVolumes(
  vm: VirtualMachine,
  pvc: (claimName: string) => PersistentVolumeClaim | undefined,
  begun: readonly string[],
): Record<string, string> {
  const holds = (claimName: string): boolean => {
    const claim = pvc(claimName);
    return claim?.status?.phase === 'Bound' && isPopulated(claim) && !begun.includes(claimName);
  };
  return Object.fromEntries([...claimsOf(vm.spec.template.spec.volumes)].filter(([, claim]) => holds(claim)));
}
