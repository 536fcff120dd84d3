import { names } from '@godwit/api';
import type { VirtualMachineInstance } from '@godwit/api';
import { hostModelLabel, namedCpuModel } from '../scheduling/cpu-model.ts';

type Labels = Readonly<Record<string, string>>;

const MODEL_FOR_MIGRATION = 'cpu-model-migration.node.kubevirt.io/';
const VENDOR = 'cpu-vendor.node.kubevirt.io/';
const MACHINE_TYPE = 'machine-type.node.kubevirt.io/';
/** What upstream sends between clusters. */
const SENT_PREFIXES = [hostModelLabel, 'host-model-required-features.node.kubevirt.io/', VENDOR];

function having(labels: Labels, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])));
}

function processorLabels(vmi: VirtualMachineInstance, source: Labels): Record<string, string> {
  const named = namedCpuModel(vmi);
  if (named !== undefined) return having(source, [names.cpuModelLabel + named]);
  // Without KVM the guest has QEMU's own most capable CPU, which another version may not have.
  if (source[names.accelerationLabel] === 'tcg') return having(source, [names.qemuVersionLabel]);
  const keys = Object.keys(source);
  const models = keys.filter((key) => key.startsWith(hostModelLabel)).map((key) => key.slice(hostModelLabel.length));
  return {
    ...Object.fromEntries(models.map((model) => [MODEL_FOR_MIGRATION + model, 'true'])),
    ...having(
      source,
      keys.filter((key) => key.startsWith(VENDOR)),
    ),
  };
}

/**
 * Labels that a node must have to go on with a guest that runs under `source`, the labels of its present node: the same
 * kind of acceleration, a processor that has what the guest has been shown, and a QEMU that knows its machine type.
 * What the source's node does not say about itself is not asked of others.
 */
export function compatibleNodeLabels(vmi: VirtualMachineInstance, source: Labels): Record<string, string> {
  const machine = vmi.status?.machine?.type;
  return {
    ...having(source, [names.accelerationLabel, ...(machine === undefined ? [] : [MACHINE_TYPE + machine])]),
    ...processorLabels(vmi, source),
  };
}

/** Keys of `compatibleNodeLabels` that concern the processor. */
export function isProcessorLabel(key: string): boolean {
  return (
    key === names.qemuVersionLabel ||
    [names.cpuModelLabel, MODEL_FOR_MIGRATION, VENDOR].some((prefix) => key.startsWith(prefix))
  );
}

/** Labels of the source's node for the other cluster; it asks the same of its nodes. */
export function labelsForPeer(vmi: VirtualMachineInstance, source: Labels): Record<string, string> {
  const host = Object.keys(source).filter((key) => SENT_PREFIXES.some((prefix) => key.startsWith(prefix)));
  const sent = { ...having(source, host), ...compatibleNodeLabels(vmi, source) };
  // Never empty: an upstream peer takes an absent map for a source that has not spoken yet.
  return Object.keys(sent).length > 0 ? sent : { 'kubernetes.io/os': 'linux' };
}

/** What the source of a move between clusters has said about its node, asked of a node of this one. */
export function compatibleWithPeer(vmi: VirtualMachineInstance, sent: Labels): Record<string, string> {
  const machines = Object.keys(sent).filter((key) => key.startsWith(MACHINE_TYPE));
  return { ...compatibleNodeLabels(vmi, sent), ...having(sent, machines) };
}
