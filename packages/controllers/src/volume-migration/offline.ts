import type { PersistentVolumeClaim, VirtualMachine } from '@godwit/api';
import { claimsOf } from '../virt/facts.ts';

/**
 * Why a stopped VM must not start as it is: its volumes were re-pointed with strategy Migration while no guest ran, so
 * nothing was copied. Undefined when it may start.
 */
export function offlineChange(
  vm: VirtualMachine,
  pvc: (claimName: string) => PersistentVolumeClaim | undefined,
): string | undefined {
  if (vm.spec.updateVolumesStrategy !== 'Migration') return undefined;
  const last = vm.status?.lastVolumes ?? {};
  const changed = [...claimsOf(vm.spec.template.spec.volumes)].filter(([name, claim]) => {
    const before = last[name];
    return before !== undefined && before !== claim && pvc(before) !== undefined;
  });
  if (changed.length === 0) return undefined;
  const list = changed.map(([name, claim]) => `${name} from ${last[name]} to ${claim}`).join(', ');
  return `Volumes were re-pointed while the VM was stopped (${list}) and nothing has been copied. Set them back and change them while the VM runs, or remove updateVolumesStrategy to start with the new volumes as they are.`;
}
