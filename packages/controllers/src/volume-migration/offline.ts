import type { VirtualMachine } from '@godwit/api';
import { claimsOf } from '../virt/facts.ts';

/** A volume of a stopped VM whose template names another claim than the one with what the guest wrote last. */
export interface OfflineMove {
  readonly volumeName: string;
  readonly source: string;
  readonly target: string;
}

/**
 * What has to be copied before a stopped VM may start as its template says: volumes that were re-pointed with strategy
 * Migration while no guest ran.
 */
export function offlineMoves(vm: VirtualMachine): OfflineMove[] {
  if (vm.spec.updateVolumesStrategy !== 'Migration') return [];
  const { lastVolumes = {} } = vm.status ?? {};
  return [...claimsOf(vm.spec.template.spec.volumes)].flatMap(([volumeName, target]) => {
    const source = lastVolumes[volumeName];
    return source === undefined || source === target ? [] : [{ volumeName, source, target }];
  });
}

export function sayMoves(moves: readonly OfflineMove[]): string {
  return moves.map(({ volumeName, source, target }) => `${volumeName} from ${source} to ${target}`).join(', ');
}
