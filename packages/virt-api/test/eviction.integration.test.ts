import { names } from '@godwit/api';
import type { Condition, KubeObject } from '@godwit/api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Reply, TestCluster } from '../../api-server/test/support/cluster.ts';
import { createPod, createVmi, deleteAll, podPath, readVmi, startKubeVirtServer, verb } from './kubevirt-server.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startKubeVirtServer();
});
afterAll(() => cluster.stop());
afterEach(() => deleteAll(cluster));

function evict(pod: string, more: object = {}, query = ''): Promise<Reply> {
  const { metadata, ...rest } = more as { metadata?: object };
  return cluster.call('POST', `${podPath(pod)}/eviction${query}`, {
    body: {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod, namespace: 'default', ...metadata },
      ...rest,
    },
  });
}

async function isGoing(pod: string): Promise<boolean> {
  return ((await cluster.call('GET', podPath(pod))).body as KubeObject).metadata.deletionTimestamp !== undefined;
}

async function guest(
  status: object = {},
  evictionStrategy: 'LiveMigrate' | 'None' | undefined = 'LiveMigrate',
): Promise<string> {
  const uid = await createVmi(cluster, 'vm', status, evictionStrategy === undefined ? {} : { evictionStrategy });
  return createPod(cluster, 'vm', uid);
}

describe('the eviction of a launcher pod', () => {
  it('marks the guest instead, and says when to ask again [SLM 5.3 #51]', async () => {
    const pod = await guest();
    const reply = await evict(pod);
    expect([reply.code, reply.headers['retry-after']]).toEqual([429, '2']);
    expect(reply.body).toMatchObject({
      kind: 'Status',
      reason: 'TooManyRequests',
      message: 'Eviction triggered evacuation of VMI "default/vm"',
    });
    expect((await readVmi(cluster, 'vm')).status?.evacuationNodeName).toBe('n1');
    const { resourceVersion } = (await readVmi(cluster, 'vm')).metadata;
    expect((await evict(pod)).body).toMatchObject({ message: expect.stringContaining('in progress') as string });
    expect((await readVmi(cluster, 'vm')).metadata.resourceVersion).toBe(resourceVersion);
    expect(await isGoing(pod)).toBe(false);
  });

  it.each([
    ['in its options', { deleteOptions: { dryRun: ['All'] } }, ''],
    ['in its query', {}, '?dryRun=All'],
  ])('on a dry run %s answers the same and marks nothing [SLM 5.3 #51]', async (_, more, query) => {
    const pod = await guest();
    expect((await evict(pod, more, query)).code).toBe(429);
    expect((await readVmi(cluster, 'vm')).status?.evacuationNodeName).toBeUndefined();
    expect(await isGoing(pod)).toBe(false);
  });

  it('on a dry run keeps the pod also where it would go', async () => {
    const pod = await guest({}, 'None');
    expect((await evict(pod, { deleteOptions: { dryRun: ['All'] } })).code).toBe(201);
    expect(await isGoing(pod)).toBe(false);
  });

  it('of a descheduler is remembered as such [SLM 5.3 #53]', async () => {
    await evict(await guest(), { metadata: { annotations: { 'requested-by': 'sigs.k8s.io/descheduler' } } });
    const { annotations } = (await readVmi(cluster, 'vm')).metadata;
    expect(annotations?.[names.evictionSourceAnnotation]).toBe('descheduler');
  });

  it('is refused for a guest that must be moved and cannot, with the reason and without marking it [SLM 5.3 #51]', async () => {
    const kept: Condition = { type: 'LiveMigratable', status: 'False', reason: 'DisksNotLiveMigratable' };
    const reply = await evict(await guest({ conditions: [kept] }));
    expect([reply.code, reply.headers['retry-after']]).toEqual([429, undefined]);
    expect(reply.text).toContain('DisksNotLiveMigratable');
    expect((await readVmi(cluster, 'vm')).status?.evacuationNodeName).toBeUndefined();
  });

  it('takes the pod away with strategy None [SLM 5.3 #51 #52]', async () => {
    const pod = await guest({}, 'None');
    const reply = await evict(pod);
    expect([reply.code, reply.headers['warning']]).toEqual([201, undefined]);
    expect(await isGoing(pod)).toBe(true);
  });

  it('takes it away also without any strategy, and warns [SLM 5.3 #52]', async () => {
    const uid = await createVmi(cluster, 'vm');
    const pod = await createPod(cluster, 'vm', uid);
    const reply = await evict(pod);
    expect([reply.code, reply.headers['warning']]).toEqual([
      201,
      expect.stringContaining('spec.configuration.evictionStrategy'),
    ]);
    expect(await isGoing(pod)).toBe(true);
  });

  it('obeys preconditions and finds absent pods absent', async () => {
    const pod = await guest();
    expect((await evict(pod, { deleteOptions: { preconditions: { uid: 'other' } } })).code).toBe(409);
    expect((await evict('nobody')).code).toBe(404);
    expect((await readVmi(cluster, 'vm')).status?.evacuationNodeName).toBeUndefined();
  });
});

describe('the strategy of the cluster', () => {
  const kubeVirts = '/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts';
  beforeEach(async () => {
    await cluster.call('POST', '/api/v1/namespaces', {
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kubevirt' } },
    });
    const body = {
      apiVersion: 'kubevirt.io/v1',
      kind: 'KubeVirt',
      metadata: { name: 'kubevirt' },
      spec: { configuration: { evictionStrategy: 'LiveMigrate' } },
    };
    expect((await cluster.call('POST', kubeVirts, { body })).code).toBe(201);
  });
  afterEach(() => cluster.call('DELETE', `${kubeVirts}/kubevirt`));

  it('holds for guests without one, not for others [SLM 5.3 #52]', async () => {
    const uid = await createVmi(cluster, 'vm');
    expect((await evict(await createPod(cluster, 'vm', uid))).code).toBe(429);
    const own = await createVmi(cluster, 'other', {}, { evictionStrategy: 'None' });
    expect((await evict(await createPod(cluster, 'other', own))).code).toBe(201);
  });

  it('must be one that exists [SLM 5.3 #52]', async () => {
    const reply = await cluster.call('PATCH', `${kubeVirts}/kubevirt`, {
      body: { spec: { configuration: { evictionStrategy: 'Pray', migrations: { maxDowntimeMs: 0 } } } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    expect(reply.code).toBe(422);
    expect(reply.body).toMatchObject({
      details: {
        kind: 'KubeVirt',
        causes: [
          { field: 'spec.configuration.evictionStrategy' },
          { field: 'spec.configuration.migrations.maxDowntimeMs' },
        ],
      },
    });
  });
});

describe('evacuate/cancel', () => {
  const nodes = '/api/v1/nodes';
  it.each(['virtualmachines', 'virtualmachineinstances'])('of %s takes the mark away [SLM 5.3 #53]', async (kind) => {
    await evict(await guest());
    const options = { evacuationNodeName: 'n1' };
    expect((await verb(cluster, kind, 'vm/evacuate/cancel', { ...options, dryRun: ['All'] })).code).toBe(200);
    expect((await readVmi(cluster, 'vm')).status?.evacuationNodeName).toBe('n1');
    expect((await verb(cluster, kind, 'vm/evacuate/cancel', { evacuationNodeName: 'n2' })).code).toBe(409);
    const reply = await verb(cluster, kind, 'vm/evacuate/cancel', options);
    expect([reply.code, reply.text]).toEqual([200, '']);
    expect((await readVmi(cluster, 'vm')).status).not.toHaveProperty('evacuationNodeName');
    expect((await verb(cluster, kind, 'vm/evacuate/cancel', options)).code).toBe(200);
  });

  it('is refused while the node is being emptied by its taint, and for guests that do not exist', async () => {
    const taints = [{ key: 'kubevirt.io/drain', effect: 'NoSchedule' }];
    const body = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: { taints } };
    expect((await cluster.call('POST', nodes, { body })).code).toBe(201);
    await guest();
    expect((await verb(cluster, 'virtualmachineinstances', 'vm/evacuate/cancel')).code).toBe(400);
    await cluster.call('DELETE', `${nodes}/n1`);
    expect((await verb(cluster, 'virtualmachineinstances', 'nobody/evacuate/cancel')).code).toBe(404);
  });
});
