import { claimsOf } from '@godwit/api';
import type { VirtualMachine } from '@godwit/api';

/** Tells of volumes that are to be copied to a DataVolume that is filled first: whatever fills it is lost. */
export function refilledVolumesWarnings(vm: VirtualMachine, old: VirtualMachine | undefined): string[] {
  if (old === undefined || vm.spec.updateVolumesStrategy !== 'Migration') return [];
  const before = claimsOf(old.spec.template.spec.volumes);
  return (vm.spec.dataVolumeTemplates ?? []).flatMap(({ metadata, spec }, index) => {
    const moved = vm.spec.template.spec.volumes?.find(({ dataVolume }) => dataVolume?.name === metadata.name);
    const from = moved && before.get(moved.name);
    if (!moved || from === undefined || from === metadata.name || spec.source?.blank !== undefined) return [];
    return [
      `spec.dataVolumeTemplates[${index}].spec.source: what it fills ${metadata.name ?? ''} with is overwritten by the copy of volume ${moved.name} from ${from}; use blank`,
    ];
  });
}
