import { names } from '@godwit/api';
import type {
  AccessMode,
  PersistentVolumeClaim,
  PersistentVolumeClaimInfo,
  Pod,
  RunStrategy,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
} from '@godwit/api';
import { isTrue } from '@godwit/api';

export { claimOf, claimsOf, usableBytes } from '@godwit/api';

export function runStrategyOf(vm: VirtualMachine): RunStrategy {
  return vm.spec.runStrategy ?? (vm.spec.running === true ? 'Always' : 'Halted');
}

export function isFinalVmi(vmi: VirtualMachineInstance): boolean {
  return vmi.status?.phase === 'Succeeded' || vmi.status?.phase === 'Failed';
}

export function isFinalMigration(vmim: VirtualMachineInstanceMigration): boolean {
  return vmim.status?.phase === 'Succeeded' || vmim.status?.phase === 'Failed';
}

export function isReceiver(vmi: VirtualMachineInstance): boolean {
  return vmi.metadata.annotations?.[names.createMigrationTargetAnnotation] === 'true';
}

export type MigrationKind = 'local' | 'source' | 'target';

/** `sendTo` alone is the source of a cross-cluster move, `receive` alone its target; both or none is a local move. */
export function kindOf(vmim: VirtualMachineInstanceMigration): MigrationKind {
  const { sendTo, receive } = vmim.spec;
  if (sendTo && !receive) return 'source';
  if (receive && !sendTo) return 'target';
  return 'local';
}

export function migrationIdOf(vmim: VirtualMachineInstanceMigration): string | undefined {
  return vmim.spec.sendTo?.migrationID ?? vmim.spec.receive?.migrationID;
}

/**
 * Which side of its last cross-cluster migration a VMI was. Both sides' VMI UIDs stand in the record from the first
 * exchange on, so nothing is inferred from addresses.
 */
export function recordedRole(vmi: Stored<VirtualMachineInstance>): 'source' | 'target' | undefined {
  const { sourceState, targetState } = vmi.status?.migrationState ?? {};
  const source = sourceState?.virtualMachineInstanceUID;
  const target = targetState?.virtualMachineInstanceUID;
  if (source === vmi.metadata.uid && target !== vmi.metadata.uid) return 'source';
  if (target === vmi.metadata.uid && source !== vmi.metadata.uid) return 'target';
  return undefined;
}

/** The guest left this VMI for another cluster and runs there. */
export function hasMovedAway(vmi: Stored<VirtualMachineInstance>): boolean {
  const state = vmi.status?.migrationState;
  return recordedRole(vmi) === 'source' && state?.completed === true && state.failed !== true;
}

export function isUnderway(state: VmiMigrationState | undefined): boolean {
  return state?.migrationUid !== undefined && state.completed !== true && state.failed !== true;
}

export function isFinalPod(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function isReadyPod(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isTrue(pod.status.conditions, 'Ready');
}

export function isSharedAccess(modes: readonly AccessMode[] | undefined): boolean {
  return modes?.includes('ReadWriteMany') ?? false;
}

export function isExclusiveAccess(modes: readonly AccessMode[] | undefined): boolean {
  return !isSharedAccess(modes) && !(modes?.includes('ReadOnlyMany') ?? false);
}

/** What KubeVirt records about a claim; only the name when the claim is unknown. */
export function claimInfo(claimName: string, pvc: PersistentVolumeClaim | undefined): PersistentVolumeClaimInfo {
  if (!pvc) return { claimName };
  const storage = pvc.spec.resources?.requests?.storage;
  const capacity = pvc.status?.capacity?.storage;
  return {
    claimName,
    volumeMode: pvc.spec.volumeMode ?? 'Filesystem',
    accessModes: [...(pvc.spec.accessModes ?? [])],
    ...(storage === undefined ? {} : { requests: { storage } }),
    ...(capacity === undefined ? {} : { capacity: { storage: capacity } }),
  };
}
