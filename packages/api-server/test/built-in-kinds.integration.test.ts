import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { names } from '@godwit/api';
import { TestCluster } from './support/cluster.ts';
import { fixtures } from './support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());

const call: TestCluster['call'] = (...args) => cluster.call(...args);
const patch: TestCluster['patch'] = (...args) => cluster.patch(...args);

describe('built-in kinds', () => {
  it('folds stringData into data', async () => {
    const reply = await call('POST', '/api/v1/namespaces/t/secrets', {
      body: { metadata: { name: 's94' }, stringData: { a: 'x' } },
    });
    expect(reply.body).toMatchObject({ type: 'Opaque', data: { a: 'eA==' } });
    expect(reply.body.stringData).toBeUndefined();
  });

  it('shows events in both APIs', async () => {
    const event = {
      metadata: { name: 'e96' },
      involvedObject: { kind: 'Pod', namespace: 't', name: 'p' },
      reason: 'Because',
      message: 'it was so',
      type: 'Normal',
    };
    expect((await call('POST', '/api/v1/namespaces/t/events', { body: event })).code).toBe(201);
    const modern = (await call('GET', '/apis/events.k8s.io/v1/namespaces/t/events/e96')).body;
    expect(modern).toMatchObject({ apiVersion: 'events.k8s.io/v1', regarding: { name: 'p' }, note: 'it was so' });
    expect((await call('POST', '/api/v1/namespaces/default/events', { body: event })).code).toBe(422);
  });

  it('serves pods up to binding and eviction', async () => {
    const pods = '/api/v1/namespaces/t/pods';
    const pod = { metadata: { name: 'p1' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const created = (await call('POST', pods, { body: pod })).body;
    expect(created).toMatchObject({
      status: { phase: 'Pending', qosClass: 'BestEffort' },
      spec: { restartPolicy: 'Always', serviceAccountName: 'default' },
    });
    expect((await call('POST', `${pods}/p1/binding`, { body: { target: { kind: 'Node', name: 'n1' } } })).code).toBe(
      201,
    );
    expect((await call('POST', `${pods}/p1/binding`, { body: { target: { kind: 'Node', name: 'n2' } } })).code).toBe(
      409,
    );
    expect((await call('GET', `${pods}?fieldSelector=spec.nodeName=n1`)).body.items).toHaveLength(1);
    const moved = await patch(`${pods}/p1`, 'merge-patch+json', { spec: { nodeName: 'n2' } });
    expect(moved.code).toBe(422);
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p1' } };
    expect((await call('POST', `${pods}/p1/eviction`, { body: eviction })).code).toBe(201);
    const evicted = (await call('GET', `${pods}/p1`)).body;
    expect(evicted.metadata).toMatchObject({ deletionGracePeriodSeconds: 30, deletionTimestamp: expect.any(String) });
    expect((await call('DELETE', `${pods}/p1`, { body: { gracePeriodSeconds: 0 } })).body.status).toBe('Success');
    expect((await call('GET', `${pods}/p1`)).code).toBe(404);
  });

  it('says where the words of a guest are instead of serving logs of pods', async () => {
    const pods = '/api/v1/namespaces/t/pods';
    const spec = { containers: [{ name: 'compute', image: 'i' }] };
    const launcher = { name: 'launcher', annotations: { [names.domainAnnotation]: 'tour' } };
    for (const metadata of [launcher, { name: 'other' }])
      expect((await call('POST', pods, { body: { metadata, spec } })).code).toBe(201);
    const reply = await call('GET', `${pods}/launcher/log?container=compute&follow=true`);
    expect(reply.code).toBe(400);
    expect(reply.body.message).toContain('"godwit console tour -n t"');
    expect(reply.body.message).toContain('"godwit logs"');
    expect((await call('GET', `${pods}/other/log`)).body.message).toContain('nothing but virtual machines runs here');
    expect((await call('GET', `${pods}/nobody/log`)).code).toBe(404);
    expect((await call('PUT', `${pods}/launcher/log`, { body: {} })).code).toBe(405);
  });

  it('writes pod and node status through the subresource', async () => {
    await call('POST', '/api/v1/namespaces/t/pods', {
      body: { metadata: { name: 'p2' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    });
    const reply = await patch('/api/v1/namespaces/t/pods/p2/status', 'merge-patch+json', {
      metadata: { labels: { a: 'b' } },
      status: { phase: 'Running' },
    });
    expect(reply.body).toMatchObject({ status: { phase: 'Running' } });
    expect(reply.body.metadata.labels).toBeUndefined();
    const node = { metadata: { name: 'n1' }, status: { capacity: { memory: '1024Mi' } } };
    expect((await call('POST', '/api/v1/nodes', { body: node })).body.status.capacity.memory).toBe('1Gi');
  });
});
