import type { Cache } from '@godwit/reconcile';
import { names } from '@godwit/api';
import type { KubeObject, Pod, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimsOf, isFinalPod, isFinalVmi, isUnderway } from './facts.ts';

/** Whose claims are looked at: its own use of a claim does not count. */
export interface ClaimOwner {
  readonly vm: Stored<VirtualMachine>;
  readonly vmi: Stored<VirtualMachineInstance> | undefined;
}

/**
 * Claims that a VM has a right to, running or not: those of its template, and with strategy Migration those that have what
 * its guest wrote last, which nothing else may know.
 */
export function machineClaims(vm: VirtualMachine): string[] {
  const claims = claimsOf(vm.spec.template.spec.volumes);
  const last = vm.spec.updateVolumesStrategy === 'Migration' ? Object.entries(vm.status?.lastVolumes ?? {}) : [];
  const newest = last.flatMap(([volume, claim]) => (claims.has(volume) ? [claim] : []));
  return [...new Set([...claims.values(), ...newest])];
}

/** The pod that has, or will have, this guest now; another pod of the same VMI may still have its old volumes open. */
function isOwnPlace(pod: Pod, vmi: Stored<VirtualMachineInstance> | undefined): boolean {
  if (vmi === undefined || pod.metadata.labels?.[names.createdByLabel] !== vmi.metadata.uid) return false;
  return pod.spec.nodeName === undefined || pod.spec.nodeName === vmi.status?.nodeName;
}

/**
 * A launcher pod lists the claims it was started with. After a move in place its VMI knows better, and always about the
 * guest that runs in that pod: volumes come and go.
 */
export function isOutdated(pod: Pod, { status }: Stored<VirtualMachineInstance>): boolean {
  const state = status?.migrationState;
  if (isUnderway(state)) return false;
  const tells = status?.phase === 'Running' && status.volumeStatus !== undefined;
  return state?.method === 'InPlace' || (tells && pod.spec.nodeName === status.nodeName);
}

function knowsBetter(pod: Pod, instances: readonly Stored<VirtualMachineInstance>[]): boolean {
  const vmi = instances.find((one) => one.metadata.uid === pod.metadata.labels?.[names.createdByLabel]);
  return vmi !== undefined && !isFinalVmi(vmi) && isOutdated(pod, vmi);
}

/** Objects of one namespace that name a claim. */
export interface ClaimCandidates {
  readonly machines: readonly Stored<VirtualMachine>[];
  readonly instances: readonly Stored<VirtualMachineInstance>[];
  readonly pods: readonly Stored<Pod>[];
  /** VMIs that these pods may belong to. */
  readonly allInstances: readonly Stored<VirtualMachineInstance>[];
}

/** Everything else that has to do with a claim, such as `VirtualMachine other`. */
export function describeUsers(candidates: ClaimCandidates, { vm, vmi }: ClaimOwner): string[] {
  const machines = candidates.machines.filter((one) => one.metadata.uid !== vm.metadata.uid);
  const instances = candidates.instances.filter((one) => one.metadata.uid !== vmi?.metadata.uid && !isFinalVmi(one));
  const pods = candidates.pods.filter(
    (pod) => !isFinalPod(pod) && !isOwnPlace(pod, vmi) && !knowsBetter(pod, candidates.allInstances),
  );
  const say = (kind: string, objects: readonly KubeObject[]): string[] =>
    objects.map(({ metadata }) => `${kind} ${metadata.name ?? ''}`);
  return [
    ...say('VirtualMachine', machines),
    // Its VirtualMachine has been named already.
    ...say(
      'VirtualMachineInstance',
      instances.filter((one) => !machines.some((machine) => machine.metadata.name === one.metadata.name)),
    ),
    ...say('Pod', pods),
  ];
}

export interface UserCaches {
  readonly machines: Cache<VirtualMachine>;
  readonly instances: Cache<VirtualMachineInstance>;
  readonly pods: Cache<Pod>;
}

/** As `describeUsers`, of what the caches know; they need the index `holds`. */
export function otherUsers(caches: UserCaches, claim: string, owner: ClaimOwner): string[] {
  const namespace = owner.vm.metadata.namespace ?? '';
  const key = `${namespace}/${claim}`;
  const pods = caches.pods.byIndex('holds', key);
  return describeUsers(
    {
      machines: caches.machines.byIndex('holds', key),
      instances: caches.instances.byIndex('holds', key),
      pods,
      allInstances: pods.length > 0 ? caches.instances.list(namespace) : [],
    },
    owner,
  );
}
