import { findCondition, podTerminating, withCondition, withoutCondition } from '@godwit/api';
import type { Condition, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import type { RecordVerdict } from '../volume-migration/record.ts';

/** A change of what the template says about nodes waits. */
export const placementCondition = 'NodePlacementChange';

/** Condition types the VM has on its own account; all others mirror the VMI. */
const OWN: readonly string[] = [
  'Ready',
  'Failure',
  'RestartRequired',
  'ManualRecoveryRequired',
  'VolumesCopied',
  placementCondition,
];

export interface VmConditionFacts {
  readonly vm: VirtualMachine;
  readonly vmi: VirtualMachineInstance | undefined;
  /** Its guest is being ended. */
  readonly stopping?: boolean;
  readonly record: RecordVerdict;
  /** Why this pass could not do what the spec asks; absent: all is well. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
  readonly restartRequired: string | undefined;
  /** Why a change of what the template says about nodes does not hold yet. */
  readonly placementWaits?: string | undefined;
  /** The state of the copy of a stopped VM's volumes, as long as there is one. */
  readonly copy?: { readonly reason: string; readonly message: string } | undefined;
}

function readyOf({ vmi, stopping }: VmConditionFacts): Condition {
  if (!vmi) return { type: 'Ready', status: 'False', reason: 'VMINotExists', message: 'VMI does not exist' };
  const { status, reason, message } = findCondition(vmi.status?.conditions, 'Ready') ?? {};
  if (stopping === true && status === 'True') return podTerminating;
  return {
    type: 'Ready',
    status: status ?? 'False',
    ...(status === undefined ? { reason: 'GuestNotRunning' } : reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
}

function mirrored(conditions: readonly Condition[], vmi: VirtualMachineInstance, nowMs: number): readonly Condition[] {
  const theirs = (vmi.status?.conditions ?? []).filter(({ type }) => !OWN.includes(type));
  let next: readonly Condition[] = conditions.filter(
    ({ type }) => OWN.includes(type) || theirs.some((one) => one.type === type),
  );
  for (const condition of theirs) next = withCondition(next, condition, nowMs);
  return next;
}

/** The VM's conditions: its own, and the VMI's as long as there is one (afterwards the last copies stay). */
export function decideVmConditions(facts: VmConditionFacts, nowMs: number): readonly Condition[] {
  const { vmi, record, failure, restartRequired } = facts;
  let conditions: readonly Condition[] = facts.vm.status?.conditions ?? [];
  if (vmi) conditions = mirrored(conditions, vmi, nowMs);
  conditions = withCondition(conditions, readyOf(facts), nowMs);
  const set = (type: string, condition: Condition | undefined): void => {
    conditions = condition ? withCondition(conditions, condition, nowMs) : withoutCondition(conditions, type);
  };
  set('Failure', failure && { type: 'Failure', status: 'True', ...failure });
  set(
    'RestartRequired',
    restartRequired === undefined
      ? undefined
      : { type: 'RestartRequired', status: 'True', reason: 'RestartRequired', message: restartRequired },
  );
  const { placementWaits: message } = facts;
  set(
    placementCondition,
    message === undefined
      ? undefined
      : { type: placementCondition, status: 'True', reason: 'MigrationUnderway', message },
  );
  set('VolumesCopied', facts.copy && { type: 'VolumesCopied', status: 'False', ...facts.copy });
  if (record.manualRecovery === 'required') {
    set('ManualRecoveryRequired', {
      type: 'ManualRecoveryRequired',
      status: 'True',
      reason: 'VMI was removed or was final during the volume migration',
      ...(record.message === undefined ? {} : { message: record.message }),
    });
  }
  if (record.manualRecovery === 'cleared' || record.manualRecovery === 'unneeded') {
    set('ManualRecoveryRequired', undefined);
    if (!vmi || record.manualRecovery === 'unneeded') set('VolumesChange', undefined);
  }
  return conditions;
}
