import { findCondition, isTrue } from '@godwit/api';
import type { Stored, VirtualMachine } from '@godwit/api';
import { claimsOf } from '../virt/facts.ts';
import { normal, warning } from '../virt/planned-event.ts';
import type { PlannedEvent } from '../virt/planned-event.ts';
import { sayMoves } from '../volume-migration/offline.ts';
import type { OfflinePlan } from '../volume-migration/offline-copy.ts';
import type { RecordVerdict } from '../volume-migration/record.ts';
import type { VolumeUpdate } from '../volume-migration/types.ts';
import { placementCondition } from './conditions.ts';
import type { PlacementEdit } from './placement-edits.ts';
import type { RunDecision } from './run-strategy.ts';

export interface Happening {
  readonly record: RecordVerdict;
  readonly vm: Stored<VirtualMachine>;
  readonly run: RunDecision;
  readonly update: VolumeUpdate;
  readonly offline: OfflinePlan;
  readonly placement: PlacementEdit;
}

function copyEvents({ status }: VirtualMachine, { status: next, copied, obstacle }: OfflinePlan): PlannedEvent[] {
  const before = status?.offlineCopy;
  if (copied) return [normal('VolumesCopied', `Its volumes were copied: ${sayMoves(next?.volumes ?? [])}`)];
  if (next && next.id !== before?.id) return [normal('CopyingVolumes', obstacle?.message ?? '')];
  if (next?.failure && !before?.failure) return [warning('VolumeCopyFailed', obstacle?.message ?? '')];
  return before && !next ? [normal('VolumeCopyEnded', 'Nothing is copied to its volumes any more')] : [];
}

/** Told once for as long as it lasts. */
function silenceEvents({ status }: VirtualMachine, { obstacle }: OfflinePlan): PlannedEvent[] {
  const told = findCondition(status?.conditions, 'VolumesCopied')?.reason;
  const silent = obstacle?.reason === 'CopyNodeSilent' && told !== obstacle.reason;
  return silent ? [warning('CopyNodeSilent', obstacle.message)] : [];
}

/** Told once for as long as it waits. */
function placementEvents({ status }: VirtualMachine, placement: PlacementEdit): PlannedEvent[] {
  if (placement.do !== 'wait' || findCondition(status?.conditions, placementCondition)) return [];
  return [normal('NodePlacementChangeWaits', placement.message)];
}

/** A human has taken claims of which it is not certain that they have everything. */
function acceptedEvents({ spec, status }: VirtualMachine, { manualRecovery }: RecordVerdict): PlannedEvent[] {
  if (manualRecovery !== 'cleared' || !isTrue(status?.conditions, 'ManualRecoveryRequired')) return [];
  const left = [...claimsOf(spec.template.spec.volumes)].flatMap(([volume, claim]) => {
    const last = status?.lastVolumes?.[volume];
    return last === undefined || last === claim ? [] : [`${volume} on ${claim} instead of ${last}`];
  });
  if (left.length === 0) return [];
  const message = `Volumes whose copy had not ended are used as they are: ${left.join(', ')}, which has what the guest is known to have written last`;
  return [warning('VolumesAccepted', message)];
}

/** Events of one pass over a VM. */
export function eventsOf({ vm, record, run, update, offline, placement }: Happening): PlannedEvent[] {
  return [
    ...acceptedEvents(vm, record),
    ...copyEvents(vm, offline),
    ...silenceEvents(vm, offline),
    ...placementEvents(vm, placement),
    ...(run.do === 'stop'
      ? [
          normal(
            'SuccessfulDelete',
            `Stopped the virtual machine by deleting the virtual machine instance: ${run.because}`,
          ),
        ]
      : []),
    ...(run.do === 'halt' ? [normal('Halted', `Run strategy set to Halted: ${run.because}`)] : []),
    ...(update.do === 'stop-migrations'
      ? [normal('SuccessfulChangeAbortion', 'Aborting the volume migration because the volumes were set back')]
      : []),
  ];
}

/** Events of a VMI that was made. `resumed`: volumes it starts on another claim with than the template names. */
export function creationEvents(vm: Stored<VirtualMachine>, resumed: ReadonlyMap<string, string>): PlannedEvent[] {
  const made = `Started the virtual machine by creating the new virtual machine instance ${vm.metadata.name}`;
  const last = [...resumed].map(([volume, claim]) => `${volume} on ${claim}`).join(', ');
  return [
    normal('SuccessfulCreate', made),
    ...(resumed.size > 0
      ? [
          normal(
            'VolumesRecovered',
            `The guest had ended before its volumes were moved; it starts with what it wrote last: ${last}`,
          ),
        ]
      : []),
  ];
}

/** Once for every start that failed. */
export function startEvents(
  vm: Stored<VirtualMachine>,
  startFailure: NonNullable<VirtualMachine['status']>['startFailure'],
  why: { readonly reason: string; readonly message: string } | undefined,
): PlannedEvent[] {
  const before = vm.status?.startFailure?.lastFailedVMIUID;
  const isNew = startFailure !== undefined && startFailure.lastFailedVMIUID !== before;
  return isNew && why ? [warning(why.reason, `The guest could not be started: ${why.message}`)] : [];
}
