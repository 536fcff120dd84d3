import type { KubeObject } from '@godwit/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Reply, TestCluster } from '../../api-server/test/support/cluster.ts';
import { createVmi, deleteAll, startKubeVirtServer } from './kubevirt-server.ts';

const CORE = '/api/v1/namespaces/default';
const quotaPath = `${CORE}/resourcequotas`;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startKubeVirtServer();
});
afterAll(() => cluster.stop());
afterEach(async () => {
  await cluster.call('DELETE', `${quotaPath}/tight`);
  await deleteAll(cluster);
});

function limit(hard: Record<string, string>): Promise<Reply> {
  const quota: KubeObject = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'tight' }, spec: { hard } };
  return cluster.call('POST', quotaPath, { body: quota });
}

function launcher(uid: string, name: string): Promise<Reply> {
  const labels = { 'kubevirt.io': 'virt-launcher', 'kubevirt.io/created-by': uid };
  const requests = { cpu: '100m', memory: '64Mi' };
  return cluster.call('POST', `${CORE}/pods`, {
    body: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels },
      spec: { containers: [{ name: 'compute', image: 'launcher', resources: { requests } }] },
    },
  });
}

describe('a namespace with a quota of pods', () => {
  it('has no room for the second pod of a guest that moves, and says so as Kubernetes does [SLM 5.3 #50]', async () => {
    const uid = await createVmi(cluster, 'vm');
    expect((await limit({ pods: '1' })).code).toBe(201);
    expect((await launcher(uid, 'source')).code).toBe(201);
    const refused = await launcher(uid, 'target');
    expect(refused.code).toBe(403);
    expect(refused.body).toMatchObject({
      reason: 'Forbidden',
      message: 'pods "target" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=1, limited: pods=1',
    });
    await cluster.call('DELETE', `${quotaPath}/tight`);
    expect((await launcher(uid, 'target')).code).toBe(201);
  });

  it('is not overrun by pods that come at once', async () => {
    const uid = await createVmi(cluster, 'vm');
    await limit({ 'requests.memory': '256Mi' });
    const replies = await Promise.all(Array.from({ length: 10 }, (_, index) => launcher(uid, `p${index}`)));
    expect(replies.filter(({ code }) => code === 201)).toHaveLength(4);
  });

  it('is told what it does not limit', async () => {
    const reply = await limit({ pods: '1', 'requests.storage': '1Gi' });
    expect(reply.headers['warning']).toContain('spec.hard[requests.storage] has no effect here');
  });
});
