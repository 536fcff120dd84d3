import { apiVersionOf, names, resources, withCondition } from '@godwit/api';
import type { Condition, Lease, Node } from '@godwit/api';
import { rfc3339, rfc3339Micro } from '@godwit/core/clock';
import type { Acceleration, ProcessorProbe } from '@godwit/hypervisor';

/** What is true of the machine this agent runs on. */
export interface HostFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly architecture: string;
  readonly kernel: string;
  readonly osImage: string;
  readonly machineId: string;
  readonly bootId: string;
  readonly cpuVendor: string;
  readonly cpuModel: string;
}

export interface NodeFacts {
  readonly nodeName: string;
  readonly address: string;
  readonly endpointPort: number;
  readonly qemuVersion: string;
  readonly acceleration: Acceleration;
  /** Why this acceleration and not the other. */
  readonly accelerationReason: string;
  readonly host: HostFacts;
  readonly capacity: { readonly cpu?: string; readonly memory?: string; readonly pods?: string };
  readonly labels: Readonly<Record<string, string>>;
  /** What guests may be given here; absent when nobody knows. */
  readonly processor?: ProcessorProbe;
  readonly agentVersion: string;
}

export const accelerationReasonAnnotation = 'godwit.dev/acceleration-reason';
const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40;

function labelValue(text: string): string {
  return text
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
    .slice(0, 63);
}

const CPU_MODEL = 'cpu-model.node.kubevirt.io/';
const MACHINE_TYPE = 'machine-type.node.kubevirt.io/';
/** Labels that say what a node can run: one that is not wanted any more must go. */
const ABILITIES = [
  CPU_MODEL,
  MACHINE_TYPE,
  'cpu-model-migration.node.kubevirt.io/',
  'cpu-vendor.node.kubevirt.io/',
  'host-model-cpu.node.kubevirt.io/',
];

export function desiredLabels(facts: NodeFacts): Record<string, string> {
  const { host } = facts;
  const { cpuModels = [], machineTypes = [] } = facts.processor ?? {};
  // Without KVM, host-model means QEMU's own most capable CPU, which is the same everywhere.
  const hostModel = facts.acceleration === 'kvm' ? labelValue(host.cpuModel) : 'max';
  const able = [
    ...cpuModels.map((model) => CPU_MODEL + model),
    ...machineTypes.map((type) => MACHINE_TYPE + type),
    `cpu-vendor.node.kubevirt.io/${labelValue(host.cpuVendor)}`,
    `host-model-cpu.node.kubevirt.io/${hostModel}`,
    `${CPU_MODEL}${hostModel}`,
    `cpu-model-migration.node.kubevirt.io/${hostModel}`,
  ];
  return {
    ...facts.labels,
    [names.hostnameLabel]: facts.nodeName,
    'kubernetes.io/arch': host.architecture,
    'kubernetes.io/os': 'linux',
    [names.accelerationLabel]: facts.acceleration,
    [names.qemuVersionLabel]: facts.qemuVersion.split('.').slice(0, 2).join('.'),
    'kubevirt.io/schedulable': 'true',
    ...Object.fromEntries(able.map((key) => [key, 'true'])),
  };
}

/** Labels of an earlier QEMU or host that say what this node cannot do any more. */
export function staleLabels(
  old: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): Record<string, null> {
  const gone = Object.keys(old).filter(
    (key) => wanted[key] === undefined && ABILITIES.some((prefix) => key.startsWith(prefix)),
  );
  return Object.fromEntries(gone.map((key) => [key, null]));
}

export function desiredCapacity(facts: NodeFacts): Record<string, string> {
  const { host, capacity } = facts;
  return {
    cpu: capacity.cpu ?? String(host.cpus),
    memory: capacity.memory ?? `${Math.floor(host.memoryBytes / 1024)}Ki`,
    pods: capacity.pods ?? '110',
    'ephemeral-storage': String(host.diskBytes),
    'devices.kubevirt.io/kvm': facts.acceleration === 'kvm' ? '1k' : '0',
  };
}

function desiredConditions(facts: NodeFacts, old: readonly Condition[], nowMs: number): Condition[] {
  const wanted: Condition[] = [
    { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory', message: 'memory is sufficient' },
    { type: 'DiskPressure', status: 'False', reason: 'KubeletHasNoDiskPressure', message: 'disk space is sufficient' },
    { type: 'PIDPressure', status: 'False', reason: 'KubeletHasSufficientPID', message: 'processes are sufficient' },
    {
      type: 'Accelerated',
      status: facts.acceleration === 'kvm' ? 'True' : 'False',
      reason: facts.acceleration === 'kvm' ? 'KvmWorks' : 'SoftwareEmulation',
      message: facts.accelerationReason,
    },
    { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'node agent is ready' },
  ];
  let all = old;
  for (const condition of wanted) all = withCondition(all, condition, nowMs);
  // Nodes show when the agent last spoke, which VMI conditions do not have.
  return all.map((condition) => {
    const { lastProbeTime: _, ...rest } = condition;
    return wanted.some((one) => one.type === condition.type)
      ? { ...rest, lastHeartbeatTime: rfc3339(nowMs) }
      : condition;
  });
}

export function desiredNode(facts: NodeFacts): Node {
  return {
    apiVersion: apiVersionOf(resources.nodes),
    kind: resources.nodes.kind,
    metadata: {
      name: facts.nodeName,
      labels: desiredLabels(facts),
      annotations: { [accelerationReasonAnnotation]: facts.accelerationReason },
    },
    spec: {},
  };
}

export function desiredNodeStatus(facts: NodeFacts, old: Node['status'], nowMs: number): NonNullable<Node['status']> {
  const { host } = facts;
  const capacity = desiredCapacity(facts);
  return {
    capacity,
    allocatable: capacity,
    addresses: [
      { type: 'InternalIP', address: facts.address },
      { type: 'Hostname', address: facts.nodeName },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: facts.endpointPort } },
    nodeInfo: {
      machineID: host.machineId,
      systemUUID: host.machineId,
      bootID: host.bootId,
      kernelVersion: host.kernel,
      osImage: host.osImage,
      containerRuntimeVersion: `qemu://${facts.qemuVersion}`,
      kubeletVersion: facts.agentVersion,
      kubeProxyVersion: facts.agentVersion,
      operatingSystem: 'linux',
      architecture: host.architecture,
    },
    conditions: desiredConditions(facts, old?.conditions ?? [], nowMs),
  };
}

export function desiredLease(nodeName: string, nodeUid: string, nowMs: number): Lease {
  return {
    apiVersion: apiVersionOf(resources.leases),
    kind: resources.leases.kind,
    metadata: {
      name: nodeName,
      namespace: LEASE_NAMESPACE,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeUid }],
    },
    spec: { holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS, renewTime: rfc3339Micro(nowMs) },
  };
}
