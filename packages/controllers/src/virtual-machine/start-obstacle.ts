import { isTrue } from '@godwit/api';
import { runStrategyOf } from '../virt/facts.ts';
import type { OfflineMove } from '../volume-migration/offline.ts';
import { offlineMoves } from '../volume-migration/offline.ts';
import type { OfflinePlan } from '../volume-migration/offline-copy.ts';
import { startsOnLastVolumes } from '../volume-migration/recover.ts';
import type { RecordVerdict } from '../volume-migration/record.ts';
import { isFenced, movedAwayAnnotation } from './run-strategy.ts';
import type { SeenMachine } from './seen.ts';

export interface Failure {
  readonly reason: string;
  readonly message: string;
}

function isRecovering({ vm }: SeenMachine, { manualRecovery }: RecordVerdict): boolean {
  const recovered = manualRecovery === 'cleared' || manualRecovery === 'unneeded';
  return manualRecovery === 'required' || (isTrue(vm.status?.conditions, 'ManualRecoveryRequired') && !recovered);
}

/** What has to be copied while no guest runs: nothing as long as it is open which claims the guest will start on. */
export function movesNow(seen: SeenMachine, record: RecordVerdict): OfflineMove[] {
  const { vm, vmi, nameTaken } = seen;
  if (vmi || nameTaken || isFenced(vm) || isRecovering(seen, record)) return [];
  if (runStrategyOf(vm) === 'WaitAsReceiver' || startsOnLastVolumes(vm, undefined)) return [];
  return offlineMoves(vm);
}

/** Why a VM that should run is not started now; undefined when it may. */
export function startObstacle(
  seen: SeenMachine,
  why: {
    readonly record: RecordVerdict;
    readonly receiver: boolean;
    /** Claims of volumes that start on another one than the template's. */
    readonly resumed: ReadonlyMap<string, string>;
    readonly offline: OfflinePlan;
  },
): Failure | undefined {
  const { vm } = seen;
  if (seen.nameTaken)
    return { reason: 'VMINameTaken', message: `A VirtualMachineInstance ${vm.metadata.name} of another owner exists` };
  if (!why.receiver && isFenced(vm)) {
    return {
      reason: 'MovedAway',
      message: `The guest has moved to another cluster; to start the copy that stayed here, remove annotation ${movedAwayAnnotation}`,
    };
  }
  if (isRecovering(seen, why.record))
    return { reason: 'ManualRecoveryRequired', message: 'The VM cannot start until its volumes are recovered' };
  const lost = [...why.resumed.values()].find((claim) => seen.pvc(claim) === undefined);
  if (lost !== undefined) {
    return {
      reason: 'VolumesNotCopied',
      message: `PVC ${lost}, which has what the guest wrote last, does not exist. Restore it, or remove updateVolumesStrategy to start with the claims of the template as they are`,
    };
  }
  const { status, obstacle } = why.offline;
  if (!status && !obstacle) return undefined;
  return { reason: 'VolumesNotCopied', message: obstacle?.message ?? 'Its volumes have just been copied' };
}
