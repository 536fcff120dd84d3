import { isTrue } from '@godwit/api';
import type { StorageMigratedVolumeInfo, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimsOf, isFinalVmi, isReceiver } from '../virt/facts.ts';

export interface RecordVerdict {
  /** What `volumeUpdateState.volumeMigrationState.migratedVolumes` should say; undefined: no record. */
  readonly migratedVolumes: readonly StorageMigratedVolumeInfo[] | undefined;
  readonly manualRecovery: 'required' | 'cleared' | 'unchanged';
}

export const manualRecoveryMessage =
  'The guest ended while its volumes were being copied. Set the claims back to the sources, or remove updateVolumesStrategy to accept the targets.';

/**
 * The VM's own record of the running or last volume migration, and whether a human has to choose between the two sets
 * of volumes. The record stays after success; it goes when the user has gone back or dropped the strategy.
 */
export function decideRecord(vm: VirtualMachine, vmi: VirtualMachineInstance | undefined): RecordVerdict {
  const live = vmi && !isFinalVmi(vmi) && vmi.metadata.deletionTimestamp === undefined ? vmi : undefined;
  const announced = live && !isReceiver(live) ? live.status?.migratedVolumes : undefined;
  const recorded = vm.status?.volumeUpdateState?.volumeMigrationState?.migratedVolumes;
  const claims = claimsOf(vm.spec.template.spec.volumes);
  const at = (list: readonly StorageMigratedVolumeInfo[], side: 'sourcePVCInfo' | 'destinationPVCInfo'): boolean =>
    list.every((entry) => claims.get(entry.volumeName) === entry[side]?.claimName);
  // A move to another cluster lists volumes whose claims may have the same name on both sides.
  const moves = announced?.every((entry) => entry.destinationPVCInfo?.claimName !== entry.sourcePVCInfo?.claimName);
  if (announced && announced.length > 0 && moves && at(announced, 'destinationPVCInfo')) {
    return { migratedVolumes: announced, manualRecovery: 'unchanged' };
  }
  if (!recorded) return { migratedVolumes: undefined, manualRecovery: 'unchanged' };
  if (vm.spec.updateVolumesStrategy !== 'Migration' || at(recorded, 'sourcePVCInfo')) {
    return { migratedVolumes: undefined, manualRecovery: 'cleared' };
  }
  const ended = !vmi || isFinalVmi(vmi) || vmi.metadata.deletionTimestamp !== undefined;
  const copying = (vmi?.status?.migratedVolumes?.length ?? 0) > 0 || isTrue(vm.status?.conditions, 'VolumesChange');
  return { migratedVolumes: recorded, manualRecovery: ended && copying ? 'required' : 'unchanged' };
}
