import { names, resources } from '@godwit/api';
import type {
  KubeObject,
  Pod,
  ResourceKind,
  Stored,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
} from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { createMemoryKube } from '@godwit/kube-client/testing';
import type { MemoryKubeOptions } from '@godwit/kube-client/testing';
import type { KubeClient } from '@godwit/kube-client';
import { startControllers } from '../../start.ts';
import type { Controller, ControllersOptions } from '../../context.ts';

/** One namespace of an in-memory cluster, with the parts of scheduler and node agent that the VM controllers look at. */
export interface TestCluster extends AsyncDisposable {
  readonly client: KubeClient;
  seed(...objects: KubeObject[]): void;
  get<T extends KubeObject>(resource: ResourceKind, name: string): Promise<Stored<T> | undefined>;
  /** Waits until the object satisfies `holds`, and answers it. */
  until<T extends KubeObject>(
    resource: ResourceKind,
    name: string,
    what: string,
    holds: (object: Stored<T>) => boolean,
  ): Promise<Stored<T>>;
  untilGone(resource: ResourceKind, name: string): Promise<void>;
  merge(resource: ResourceKind, name: string, patch: object, subresource?: string): Promise<void>;
  /** Binds the pod and reports it ready, as scheduler and agent do. */
  runPod(pod: Stored<Pod>, node: string): Promise<void>;
  /** Reports the guest of a VMI as running on a node. */
  runGuest(vmi: string, node: string): Promise<void>;
  /** What a node agent writes into the VMI's migration record. */
  report(vmi: string, state: Partial<VmiMigrationState>, status?: object): Promise<void>;
  vm(name: string): Promise<Stored<VirtualMachine> | undefined>;
  vmi(name: string): Promise<Stored<VirtualMachineInstance> | undefined>;
  vmim(name: string): Promise<Stored<VirtualMachineInstanceMigration> | undefined>;
  pods(): Promise<Stored<Pod>[]>;
}

export const namespace = 'default';

export async function startTestCluster(
  list: readonly Controller[],
  options: Partial<ControllersOptions> & Pick<MemoryKubeOptions, 'intercept'> = {},
): Promise<TestCluster> {
  const { intercept, ...controllersOptions } = options;
  const kube = createMemoryKube(intercept ? { intercept } : {});
  const { client } = kube;
  kube.seed(...['n1', 'n2'].map((node) => readyNode(node)));
  const running = await startControllers(
    { client, clusterName: 'test', kubevirtCa: { certPem: '', keyPem: '' }, log: silentLogger, ...controllersOptions },
    list,
  );
  const get = <T extends KubeObject>(resource: ResourceKind, name: string): Promise<Stored<T> | undefined> =>
    client.get<T>(resource, name, namespace);
  const wait = { timeoutMs: 15_000, intervalMs: 2 };
  const merge = async (resource: ResourceKind, name: string, patch: object, subresource?: string): Promise<void> => {
    await client.patch(resource, name, namespace, { type: 'merge', patch }, subresource);
  };
  return {
    client,
    seed: (...objects) => kube.seed(...objects),
    get,
    async until<T extends KubeObject>(
      resource: ResourceKind,
      name: string,
      what: string,
      holds: (object: Stored<T>) => boolean,
    ) {
      const probe = async (): Promise<Stored<T> | undefined> => {
        const object = await get<T>(resource, name);
        return object && holds(object) ? object : undefined;
      };
      const found = await waitFor(probe, { ...wait, what: `${resource.kind} ${name}: ${what}` });
      // The cast is safe: the probe answers an object or undefined, and undefined is waited out.
      return found as Stored<T>;
    },
    async untilGone(resource, name) {
      await waitFor(async () => (await get(resource, name)) === undefined, {
        ...wait,
        what: `${resource.kind} ${name} to go`,
      });
    },
    merge,
    async runPod(pod, node) {
      await client.patch(resources.pods, pod.metadata.name, namespace, {
        type: 'merge',
        patch: { spec: { nodeName: node } },
      });
      const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
      await merge(resources.pods, pod.metadata.name, { status }, 'status');
    },
    async runGuest(vmi, node) {
      const conditions = [
        { type: 'Ready', status: 'True' },
        { type: 'LiveMigratable', status: 'True' },
      ];
      await merge(resources.virtualMachineInstances, vmi, { status: { phase: 'Running', nodeName: node, conditions } });
    },
    async report(vmi, state, status = {}) {
      await merge(resources.virtualMachineInstances, vmi, { status: { ...status, migrationState: state } });
    },
    vm: (name) => get<VirtualMachine>(resources.virtualMachines, name),
    vmi: (name) => get<VirtualMachineInstance>(resources.virtualMachineInstances, name),
    vmim: (name) => get<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, name),
    async pods() {
      return (await client.list<Pod>(resources.pods, { namespace })).items;
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
    },
  };
}

export function readyNode(name: string, labels: Record<string, string> = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { [names.hostnameLabel]: name, ...labels } },
    spec: {},
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

export function machine(name: string, spec: Partial<VirtualMachine['spec']> = {}): VirtualMachine {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name, namespace },
    spec: {
      runStrategy: 'Always',
      template: {
        metadata: { labels: { app: name } },
        spec: {
          domain: { memory: { guest: '128Mi' }, devices: { disks: [{ name: 'root', disk: { bus: 'virtio' } }] } },
          volumes: [{ name: 'root', persistentVolumeClaim: { claimName: 'root-old' } }],
        },
      },
      ...spec,
    },
  };
}

export function boundClaim(
  name: string,
  changes: { size?: string; node?: string; shared?: boolean } = {},
): KubeObject[] {
  const storage = changes.size ?? '1Gi';
  const accessModes = changes.shared ? ['ReadWriteMany'] : ['ReadWriteOnce'];
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace },
      spec: { accessModes, resources: { requests: { storage } }, volumeName: `pv-${name}` },
      status: { phase: 'Bound', capacity: { storage } },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `pv-${name}`, annotations: { [names.poolAnnotation]: changes.shared ? 'shared' : 'node' } },
      spec: {
        capacity: { storage },
        accessModes,
        ...(changes.shared
          ? {}
          : {
              nodeAffinity: {
                required: {
                  nodeSelectorTerms: [
                    {
                      matchExpressions: [{ key: names.hostnameLabel, operator: 'In', values: [changes.node ?? 'n1'] }],
                    },
                  ],
                },
              },
            }),
      },
    },
  ];
}

export function migrationOf(vmiName: string, name: string, spec: object = {}): VirtualMachineInstanceMigration {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name, namespace, labels: { [names.vmiNameLabel]: vmiName } },
    spec: { vmiName, ...spec },
  };
}
