import type { PersistentVolumeClaim, VirtualMachine } from '@godwit/api';
import { claimsOf } from '../virt/facts.ts';

/** A volume of a stopped VM whose template names another claim than the one with what the guest wrote last. */
export interface OfflineMove {
  readonly volumeName: string;
  readonly source: string;
  readonly target: string;
}

/**
 * What has to be copied before a stopped VM may start as its template says: volumes that were re-pointed with strategy
 * Migration while no guest ran. A source that is gone for good is nothing to copy, unless its copy had begun.
 */
export function offlineMoves(
  vm: VirtualMachine,
  pvc: (claimName: string) => PersistentVolumeClaim | undefined,
): OfflineMove[] {
  if (vm.spec.updateVolumesStrategy !== 'Migration') return [];
  const { lastVolumes = {}, offlineCopy } = vm.status ?? {};
  return [...claimsOf(vm.spec.template.spec.volumes)].flatMap(([volumeName, target]) => {
    const source = lastVolumes[volumeName];
    if (source === undefined || source === target) return [];
    const begun = offlineCopy?.volumes.some((one) => one.volumeName === volumeName && one.source === source);
    return begun === true || pvc(source) !== undefined ? [{ volumeName, source, target }] : [];
  });
}

export function sayMoves(moves: readonly OfflineMove[]): string {
  return moves.map(({ volumeName, source, target }) => `${volumeName} from ${source} to ${target}`).join(', ');
}
