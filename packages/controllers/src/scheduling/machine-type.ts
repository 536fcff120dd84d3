import type { Node, Pod, VirtualMachineInstance } from '@godwit/api';

const MACHINE_TYPE = 'machine-type.node.kubevirt.io/';
/** As nodes publish them; `q35` and `pc` are every QEMU's newest. */
const VERSIONED = /^pc-(?:q35|i440fx)-\d/;

function saysMachineTypes({ metadata }: Node): boolean {
  return Object.keys(metadata.labels ?? {}).some((key) => key.startsWith(MACHINE_TYPE));
}

/**
 * Labels of a node whose QEMU knows the machine type that a guest asks for. None as long as there are nodes that do not say
 * what theirs knows.
 */
export function machineTypeLabels(vmi: VirtualMachineInstance, nodes: readonly Node[]): Record<string, string> {
  const type = vmi.spec.domain.machine?.type ?? '';
  return VERSIONED.test(type) && nodes.length > 0 && nodes.every(saysMachineTypes)
    ? { [MACHINE_TYPE + type]: 'true' }
    : {};
}

/** Says so when no node at all has the machine type that a pod needs. */
export function unknownMachineType(seen: { readonly pod: Pod; readonly nodes: readonly Node[] }): string | undefined {
  const wanted = Object.keys(seen.pod.spec.nodeSelector ?? {}).find((key) => key.startsWith(MACHINE_TYPE));
  if (wanted === undefined || seen.nodes.some(({ metadata }) => metadata.labels?.[wanted] !== undefined))
    return undefined;
  return `The QEMU of no node knows machine type ${wanted.slice(MACHINE_TYPE.length)}.`;
}
