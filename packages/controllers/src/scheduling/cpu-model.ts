import { names } from '@godwit/api';
import type { Node, Pod, VirtualMachineInstance } from '@godwit/api';

/** A CPU model that the user has chosen by name; undefined when the guest gets whatever its node has. */
export function namedCpuModel(vmi: VirtualMachineInstance): string | undefined {
  const model = vmi.spec.domain.cpu?.model ?? '';
  return model === '' || model === 'host-model' || model === 'host-passthrough' ? undefined : model;
}

export const hostModelLabel = 'host-model-cpu.node.kubevirt.io/';

/** A node that could not ask its QEMU has the label of its host's model all the same. */
function saysCpuModels({ metadata: { labels = {} } }: Node): boolean {
  return Object.keys(labels).some(
    (key) =>
      key.startsWith(names.cpuModelLabel) &&
      labels[hostModelLabel + key.slice(names.cpuModelLabel.length)] === undefined,
  );
}

/**
 * Labels of a node that can run the CPU model a guest asks for, with every feature of it. None as long as there are nodes
 * that do not say what theirs can.
 */
export function cpuModelLabels(vmi: VirtualMachineInstance, nodes: readonly Node[]): Record<string, string> {
  const model = namedCpuModel(vmi);
  return model !== undefined && nodes.length > 0 && nodes.every(saysCpuModels)
    ? { [names.cpuModelLabel + model]: 'true' }
    : {};
}

/** Says so when no node at all has the CPU model that a pod needs, and each has said what it has. */
export function unknownCpuModel(seen: { readonly pod: Pod; readonly nodes: readonly Node[] }): string | undefined {
  const wanted = Object.keys(seen.pod.spec.nodeSelector ?? {}).find((key) => key.startsWith(names.cpuModelLabel));
  if (wanted === undefined || !seen.nodes.every(saysCpuModels)) return undefined;
  if (seen.nodes.some(({ metadata }) => metadata.labels?.[wanted] !== undefined)) return undefined;
  return `No node can run CPU model ${wanted.slice(names.cpuModelLabel.length)} with all of its features.`;
}
