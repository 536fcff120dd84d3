import { customResourceDefinitions, names } from '@godwit/api';
import type { Condition, KubeObject, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { expect } from 'vitest';
import { TestCluster } from '../../api-server/test/support/cluster.ts';
import type { Reply } from '../../api-server/test/support/cluster.ts';
import { kubeVirtAdmission, kubeVirtSubresources } from '../src/index.ts';

const CORE = '/api/v1/namespaces/default';
const KUBEVIRT = '/apis/kubevirt.io/v1/namespaces/default';
export const SUBRESOURCES = '/apis/subresources.kubevirt.io/v1/namespaces/default';
export const migrations = `${KUBEVIRT}/virtualmachineinstancemigrations`;

export const migratable: Condition = { type: 'LiveMigratable', status: 'True' };

/** A real API server with everything that this package adds to it, and nobody who acts on the objects. */
export async function startKubeVirtServer(): Promise<TestCluster> {
  // No verb of these tests reaches a node agent.
  const nobody = { certPem: '', keyPem: '', caPem: '' };
  return TestCluster.start({
    plugins: kubeVirtAdmission,
    subresourceGroups: [kubeVirtSubresources(nobody)],
    bootstrap: customResourceDefinitions(),
  });
}

async function post(cluster: TestCluster, path: string, body: KubeObject): Promise<Reply> {
  const reply = await cluster.call('POST', path, { body });
  expect(reply.code, reply.text).toBe(201);
  return reply;
}

const domain = { devices: {}, memory: { guest: '64Mi' } };

export async function createVm(
  cluster: TestCluster,
  name: string,
  spec: Partial<VirtualMachine['spec']> = {},
  conditions: readonly Condition[] = [],
): Promise<void> {
  const vm: VirtualMachine = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name },
    spec: { runStrategy: 'Always', template: { spec: { domain } }, ...spec },
  };
  await post(cluster, `${KUBEVIRT}/virtualmachines`, vm);
  if (conditions.length > 0) {
    const reply = await cluster.call('PATCH', `${KUBEVIRT}/virtualmachines/${name}/status`, {
      body: { status: { conditions } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    expect(reply.code, reply.text).toBe(200);
  }
}

export async function createVmi(
  cluster: TestCluster,
  name: string,
  status: VirtualMachineInstance['status'] = {},
  spec: Partial<VirtualMachineInstance['spec']> = {},
): Promise<string> {
  const vmi: VirtualMachineInstance = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name },
    spec: { domain, ...spec },
    status: { phase: 'Running', nodeName: 'n1', conditions: [migratable], ...status },
  };
  return ((await post(cluster, `${KUBEVIRT}/virtualmachineinstances`, vmi)).body as { metadata: { uid: string } })
    .metadata.uid;
}

export async function readVmi(cluster: TestCluster, name: string): Promise<VirtualMachineInstance> {
  return (await cluster.call('GET', `${KUBEVIRT}/virtualmachineinstances/${name}`)).body as VirtualMachineInstance;
}

/** The launcher pod of a VMI on a node. */
export async function createPod(cluster: TestCluster, vmi: string, uid: string, node = 'n1'): Promise<string> {
  const name = `virt-launcher-${vmi}-${node}`;
  await post(cluster, `${CORE}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { [names.appLabel]: 'virt-launcher', [names.createdByLabel]: uid },
      annotations: { [names.domainAnnotation]: vmi },
      // As long as a guest may live, its pod stays.
      finalizers: [names.qemuFinalizer],
    },
    spec: { nodeName: node, containers: [{ name: 'compute', image: 'launcher' }] },
  });
  return name;
}

export const podPath = (name: string): string => `${CORE}/pods/${name}`;

/** As virtctl sends a verb: JSON that does not say so. */
export function verb(cluster: TestCluster, kind: string, path: string, options: object = {}): Promise<Reply> {
  return cluster.call('PUT', `${SUBRESOURCES}/${kind}/${path}`, { raw: JSON.stringify(options) });
}

export async function deleteAll(cluster: TestCluster): Promise<void> {
  for (const path of [
    migrations,
    `${KUBEVIRT}/virtualmachines`,
    `${KUBEVIRT}/virtualmachineinstances`,
    `${CORE}/pods`,
  ]) {
    const { body } = await cluster.call('GET', path);
    for (const { metadata } of (body as { items: KubeObject[] }).items) {
      const one = `${path}/${metadata.name ?? ''}`;
      await cluster.call('DELETE', `${one}?gracePeriodSeconds=0`);
      await cluster.call('PATCH', one, {
        body: { metadata: { finalizers: null } },
        headers: { 'content-type': 'application/merge-patch+json' },
      });
    }
    expect((await cluster.call('GET', path)).body).toMatchObject({ items: [] });
  }
}
