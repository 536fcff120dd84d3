import { resources } from '@godwit/api';
import type {
  DataVolume,
  KubeObject,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageProfile,
} from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import type { KubeClient } from '@godwit/kube-client';
import { expect, it } from 'vitest';

export interface Scenario {
  readonly client: KubeClient;
}

async function eventually<T extends KubeObject>(
  what: string,
  read: () => Promise<T | undefined>,
  holds: (object: T) => boolean,
): Promise<T> {
  let last: T | undefined;
  return waitFor(
    async () => {
      last = await read();
      return last !== undefined && holds(last) ? last : undefined;
    },
    { timeoutMs: 15_000, intervalMs: 10, what },
  ).catch((error: unknown) => {
    throw new Error(`${what} never held of ${JSON.stringify(last, undefined, 1)}`, { cause: error });
  });
}

const labels = (name: string) => ({ 'kubernetes.io/hostname': name });

export async function addReadyNode(client: KubeClient, name: string): Promise<void> {
  await client.create<Node>(resources.nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: labels(name) },
    spec: {},
  });
  const status = {
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
    allocatable: { cpu: '4', memory: '8Gi', pods: '10' },
  };
  await client.patch(resources.nodes, name, '', { type: 'merge', patch: { status } }, 'status');
}

/** What the storage and scheduling controllers do together, on any API server with nodes `n1`, `n2` and the fake agent. */
export function storageScenarios(open: () => Scenario): void {
  const claimOf = (name: string) => () =>
    open().client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, 'default');
  const dataVolumeOf = (name: string) => () => open().client.get<DataVolume>(resources.dataVolumes, name, 'default');
  const makeDataVolume = (name: string, storageClassName?: string) =>
    open().client.create<DataVolume>(resources.dataVolumes, {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'DataVolume',
      metadata: { name, namespace: 'default' },
      spec: {
        source: { blank: {} },
        storage: {
          resources: { requests: { storage: '64Mi' } },
          ...(storageClassName === undefined ? {} : { storageClassName }),
        },
      },
    });
  const makePod = (name: string, claimName: string, spec: Partial<Pod['spec']> = {}) =>
    open().client.create<Pod>(resources.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
        ...spec,
      },
    });

  it('gives every class a profile with the modes it offers', async () => {
    const read = () => open().client.get<StorageProfile>(resources.storageProfiles, 'block');
    const profile = await eventually('profile of block', read, (one) => one.status?.claimPropertySets !== undefined);
    expect(profile.status?.claimPropertySets?.[0]).toEqual({ accessModes: ['ReadWriteMany'], volumeMode: 'Block' });
  });

  it('fills a blank DataVolume of an immediate class', async () => {
    await makeDataVolume('imm', 'block');
    const done = await eventually(
      'DataVolume Succeeded',
      dataVolumeOf('imm'),
      (one) => one.status?.phase === 'Succeeded',
    );
    expect(done.status?.progress).toBe('100.0%');
    const claim = await claimOf('imm')();
    expect(claim?.spec).toMatchObject({
      volumeMode: 'Block',
      accessModes: ['ReadWriteMany'],
      storageClassName: 'block',
    });
    expect(claim?.status).toMatchObject({ phase: 'Bound', capacity: { storage: '64Mi' } });
  });

  it("keeps a blank DataVolume of the default class waiting until a pod consumes it, on that pod's node", async () => {
    const { client } = open();
    await makeDataVolume('wffc');
    await eventually(
      'WaitForFirstConsumer',
      dataVolumeOf('wffc'),
      (one) => one.status?.phase === 'WaitForFirstConsumer',
    );
    await makePod('consumer', 'wffc', { nodeSelector: labels('n2') });
    await eventually('DataVolume Succeeded', dataVolumeOf('wffc'), (one) => one.status?.phase === 'Succeeded');
    const pod = await client.get<Pod>(resources.pods, 'consumer', 'default');
    expect(pod?.spec.nodeName).toBe('n2');
    const claim = await claimOf('wffc')();
    const volume = await client.get<PersistentVolume>(resources.persistentVolumes, claim?.spec.volumeName ?? '');
    expect(volume?.metadata.annotations).toMatchObject({
      'godwit.dev/pool': 'node',
      'godwit.dev/provision-node': 'n2',
    });
  });

  it('sends the next pod of a node-local claim to the same node, and says why another cannot have it', async () => {
    const read = (name: string) => () => open().client.get<Pod>(resources.pods, name, 'default');
    await makePod('second', 'wffc');
    await eventually('pod bound', read('second'), (one) => one.spec.nodeName === 'n2');
    await makePod('stuck', 'wffc', { nodeSelector: labels('n1') });
    const stuck = await eventually('pod unschedulable', read('stuck'), (one) =>
      (one.status?.conditions ?? []).some((condition) => condition.reason === 'Unschedulable'),
    );
    expect(stuck.status?.conditions?.find((one) => one.type === 'PodScheduled')?.message).toBe(
      "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) didn't match Pod's node affinity/selector.",
    );
    for (const name of ['second', 'stuck'])
      await open().client.delete(resources.pods, name, 'default', { gracePeriodSeconds: 0 });
  });

  it('grows a volume when its claim asks for more', async () => {
    await open().client.patch(resources.persistentVolumeClaims, 'imm', 'default', {
      type: 'merge',
      patch: { spec: { resources: { requests: { storage: '128Mi' } } } },
    });
    const grown = await eventually('claim grown', claimOf('imm'), (one) => one.status?.capacity?.storage === '128Mi');
    expect(grown.status?.phase).toBe('Bound');
  });

  it('keeps a deleted claim while a pod uses it, then removes claim and volume', async () => {
    const { client } = open();
    const volumeName = (await claimOf('wffc')())?.spec.volumeName ?? '';
    await client.delete(resources.dataVolumes, 'wffc', 'default');
    await eventually('claim is leaving', claimOf('wffc'), (one) => one.metadata.deletionTimestamp !== undefined);
    const volume = await client.get<PersistentVolume>(resources.persistentVolumes, volumeName);
    expect(volume?.status?.phase).toBe('Bound');
    await client.delete(resources.pods, 'consumer', 'default', { gracePeriodSeconds: 0 });
    await waitFor(async () => (await claimOf('wffc')()) === undefined, { timeoutMs: 10_000, what: 'the claim to go' });
    await waitFor(async () => (await client.get(resources.persistentVolumes, volumeName)) === undefined, {
      timeoutMs: 10_000,
      what: 'the volume to go',
    });
  });

  it('binds a static volume, and keeps it when its claim goes', async () => {
    const { client } = open();
    await client.create<PersistentVolume>(resources.persistentVolumes, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'static' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: 'by-hand',
        local: { path: '/srv/static' },
      },
    });
    await client.create<PersistentVolumeClaim>(resources.persistentVolumeClaims, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'static', namespace: 'default' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'by-hand',
        resources: { requests: { storage: '500Mi' } },
      },
    });
    const claim = await eventually('claim bound', claimOf('static'), (one) => one.status?.phase === 'Bound');
    expect(claim.status?.capacity?.storage).toBe('1Gi');
    await client.delete(resources.persistentVolumeClaims, 'static', 'default');
    const read = () => client.get<PersistentVolume>(resources.persistentVolumes, 'static');
    const kept = await eventually('volume released', read, (one) => one.status?.phase === 'Released');
    expect(kept.metadata.deletionTimestamp).toBeUndefined();
  });
}
