import type { VirtualMachine, VirtualMachineInstance, Volume } from '@godwit/api';

/** The VMI's volumes with those named taken from the VM. */
export function withVolumesOf(
  vm: VirtualMachine,
  vmi: VirtualMachineInstance,
  volumeNames: ReadonlySet<string>,
): Volume[] {
  const wanted = new Map((vm.spec.template.spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return (vmi.spec.volumes ?? []).map((volume) =>
    volumeNames.has(volume.name) ? (wanted.get(volume.name) ?? volume) : volume,
  );
}
