import { findCondition, isTrue } from '@godwit/api';
import type { StorageMigratedVolumeInfo, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { claimsOf, isFinalVmi, isReceiver } from '../virt/facts.ts';
import { newestClaims, sayWhere } from './newest.ts';
import { isCopying, restartsByItself, whereDataIs } from './recover.ts';

export interface RecordVerdict {
  /** What `volumeUpdateState.volumeMigrationState.migratedVolumes` should say; undefined: no record. */
  readonly migratedVolumes: readonly StorageMigratedVolumeInfo[] | undefined;
  /**
   * `awaited`: whether it is needed will be known soon; the VMI is kept until then. `unneeded`: the copy is over and it is
   * certain which claims the next start needs.
   */
  readonly manualRecovery: 'required' | 'cleared' | 'unchanged' | 'awaited' | 'unneeded';
  /** With `required`: what the human has to do. */
  readonly message?: string;
}

const eitherSet =
  'The guest ended while its volumes were being copied. Set the claims back to the sources, or remove updateVolumesStrategy to accept the targets.';

/** Nothing is to be chosen: the copies are worth nothing without the rest. */
function incomplete(
  recorded: readonly StorageMigratedVolumeInfo[],
  newest: Readonly<Record<string, string>>,
  claimExists: (claimName: string) => boolean,
): string {
  const sources = recorded.map((entry) => newest[entry.volumeName] ?? entry.sourcePVCInfo?.claimName ?? '');
  const copies = recorded.map((entry) => entry.destinationPVCInfo?.claimName ?? '').join(', ');
  const gone = sources.find((claim) => !claimExists(claim));
  const truth = `The guest ended while its volumes were being copied: the copies (${copies}) are incomplete, what it wrote last is: ${sayWhere(recorded, (volume) => newest[volume])}.`;
  return gone === undefined
    ? `${truth} Set exactly these claims; when that is accepted the others can be set again, and are copied to before the VM starts.`
    : `${truth} PVC ${gone} does not exist: restore it, or remove updateVolumesStrategy to start on what there is of the copies.`;
}

function onlyThisSet(recorded: readonly StorageMigratedVolumeInfo[], newest: Readonly<Record<string, string>>): string {
  return `The guest ended while some of its volumes had been moved and others had not. What it wrote last is: ${sayWhere(recorded, (volume) => newest[volume])}. Set exactly these claims.`;
}

/**
 * The VM's own record of the running or last volume migration, and whether a human has to choose between the two sets
 * of volumes: when nobody can know which has what the guest wrote last, and, as in KubeVirt, when a user stopped the VM, who is
 * then told which of them has it, where that is known. The
 * record stays after success; it goes when the user has gone back or dropped the strategy.
 */
export function decideRecord(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance | undefined,
  claimExists: (claimName: string) => boolean,
  nowMs: number,
): RecordVerdict {
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
  const ended = !vmi || isFinalVmi(vmi) || vmi.metadata.deletionTimestamp !== undefined;
  const truth = vmi && ended && isCopying(vmi) ? whereDataIs(vmi, nowMs) : undefined;
  const alone = vmi && restartsByItself(vm, vmi) ? truth : undefined;
  if (alone === 'pending' || (truth === 'pending' && recorded))
    return { migratedVolumes: recorded, manualRecovery: 'awaited' };
  if (!recorded) return { migratedVolumes: undefined, manualRecovery: 'unchanged' };
  const recovering = isTrue(vm.status?.conditions, 'ManualRecoveryRequired');
  const copying = (vmi?.status?.migratedVolumes?.length ?? 0) > 0 || isTrue(vm.status?.conditions, 'VolumesChange');
  const newest = newestClaims(vm, vmi) ?? {};
  const whole = recorded.every(({ volumeName }) => claimExists(newest[volumeName] ?? ''));
  if (whole && (alone === 'source' || alone === 'target'))
    return { migratedVolumes: recorded, manualRecovery: 'unneeded' };
  const moved = recorded.some((entry) => newest[entry.volumeName] === entry.destinationPVCInfo?.claimName);
  if (moved && (copying || recovering)) {
    const stale = recorded.some((entry) => namesStaleClaim(entry, claims, newest, claimExists));
    if (stale && ended)
      return { migratedVolumes: recorded, manualRecovery: 'required', message: onlyThisSet(recorded, newest) };
    if (stale) return { migratedVolumes: recorded, manualRecovery: 'unchanged' };
    if (ended)
      return recovering
        ? { migratedVolumes: undefined, manualRecovery: 'cleared' }
        : { migratedVolumes: recorded, manualRecovery: 'unneeded' };
  }
  if (vm.spec.updateVolumesStrategy !== 'Migration' || at(recorded, 'sourcePVCInfo')) {
    return { migratedVolumes: undefined, manualRecovery: 'cleared' };
  }
  if (!ended || !copying) return { migratedVolumes: recorded, manualRecovery: 'unchanged' };
  // The VMI was the witness: what was learnt from it stands when it is gone.
  const told = vmi ? undefined : findCondition(vm.status?.conditions, 'ManualRecoveryRequired')?.message;
  const message = truth === 'source' ? incomplete(recorded, newest, claimExists) : (told ?? eitherSet);
  return { migratedVolumes: recorded, manualRecovery: 'required', message };
}

/** The VM names the one of the two claims that does not have what the guest wrote last, and the other is still there. */
function namesStaleClaim(
  { volumeName, sourcePVCInfo, destinationPVCInfo }: StorageMigratedVolumeInfo,
  claims: ReadonlyMap<string, string>,
  newest: Readonly<Record<string, string>>,
  claimExists: (claimName: string) => boolean,
): boolean {
  const truth = newest[volumeName];
  const claim = claims.get(volumeName);
  if (truth === undefined || claim === truth || !claimExists(truth)) return false;
  return claim === sourcePVCInfo?.claimName || claim === destinationPVCInfo?.claimName;
}
