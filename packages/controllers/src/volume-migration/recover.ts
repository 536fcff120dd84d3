import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimsOf, isFinalVmi, isReceiver, runStrategyOf } from '../virt/facts.ts';

/*
 * A guest that ended while its volumes were being copied starts again by itself when it is certain which claims have what
 * it wrote last. Certain is only what a node agent has said, or that no agent can have begun: that a record is closed as
 * failed proves nothing, because controllers close records too when pods end.
 */

/** `pending`: the agents may still say it. `unknown`: they had their time. */
export type Truth = 'source' | 'target' | 'pending' | 'unknown';

/** Longest wait, from the end of the guest, for a node agent to say where its data are. */
export const witnessPatienceMs = 60_000;

function endedAt(vmi: VirtualMachineInstance): number {
  const { phase, phaseTransitionTimestamps = [] } = vmi.status ?? {};
  const entry = phaseTransitionTimestamps.find((one) => one.phase === phase);
  return Date.parse(entry?.phaseTransitionTimestamp ?? '') || 0;
}

/** Milliseconds since the guest ended; 0 while it has not. */
export function endedSinceMs(vmi: VirtualMachineInstance, nowMs: number): number {
  return isFinalVmi(vmi) ? nowMs - endedAt(vmi) : 0;
}

/** A copy of this VMI's volumes is announced and has not succeeded. */
export function isCopying(vmi: VirtualMachineInstance | undefined): boolean {
  return vmi !== undefined && !isReceiver(vmi) && (vmi.status?.migratedVolumes?.length ?? 0) > 0;
}

/** Which claims of the announced volumes have what the guest wrote last (`movedVolumes` of the record apart). */
export function whereDataIs(vmi: VirtualMachineInstance, nowMs: number): Truth {
  const state = vmi.status?.migrationState;
  const announced = vmi.status?.migratedVolumes ?? [];
  const late = endedSinceMs(vmi, nowMs) >= witnessPatienceMs;
  // Never handed over to any agent.
  if (state?.migrationUid === undefined) return 'source';
  const open = state.completed !== true && state.failed !== true;
  if (open) return late ? 'unknown' : 'pending';
  const about = state.volumes?.some((one) =>
    announced.some(
      ({ volumeName, destinationPVCInfo }) =>
        volumeName === one.volumeName && destinationPVCInfo?.claimName === one.destinationPVCInfo?.claimName,
    ),
  );
  // The record of an earlier move: success takes the list away, and this one was never handed over.
  if (about !== true || state.failed !== true) return 'source';
  if (state.settledOn !== undefined) return state.settledOn;
  // Its copy begins with a start in an open record, so this one never began.
  if (state.startTimestamp === undefined) return 'source';
  return late ? 'unknown' : 'pending';
}

/** The guest has ended and its VM starts it again without anybody asking for it. */
export function restartsByItself(vm: VirtualMachine, vmi: VirtualMachineInstance): boolean {
  const strategy = runStrategyOf(vm);
  if (strategy === 'Always') return isFinalVmi(vmi) || vmi.metadata.deletionTimestamp !== undefined;
  return strategy === 'RerunOnFailure' && vmi.status?.phase === 'Failed';
}

/**
 * Whether the next start is on the claims the guest wrote last, whatever the template names: the guest did not stop
 * because somebody wanted it to, and should not wait for a copy.
 */
export function startsOnLastVolumes(vm: VirtualMachine, vmi: Stored<VirtualMachineInstance> | undefined): boolean {
  if (runStrategyOf(vm) === 'Halted') return false;
  const migrates = vm.spec.updateVolumesStrategy === 'Migration';
  // Without the strategy an edit accepts the claims of the template as they are.
  const accepted = !migrates && vm.status?.observedGeneration !== vm.metadata.generation;
  const known = vm.status?.restartsOnLastVolumes === true && !accepted;
  if (!vmi) return known;
  const deleting = vmi.metadata.deletionTimestamp !== undefined;
  if (!isFinalVmi(vmi) && !deleting) return false;
  return known || (restartsByItself(vm, vmi) && (isCopying(vmi) || (migrates && !deleting)));
}

/** Volumes that start on another claim than the template names, with that claim. */
export function claimsToStartOn(vm: VirtualMachine): ReadonlyMap<string, string> {
  const claims = new Map<string, string>();
  if (!startsOnLastVolumes(vm, undefined)) return claims;
  for (const [volume, claim] of claimsOf(vm.spec.template.spec.volumes)) {
    const last = vm.status?.lastVolumes?.[volume];
    if (last !== undefined && last !== claim) claims.set(volume, last);
  }
  return claims;
}
