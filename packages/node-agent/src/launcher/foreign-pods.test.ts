import { findCondition, resources } from '@godwit/api';
import type { Pod, Stored } from '@godwit/api';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { expect, it } from 'vitest';
import { refusePod } from './foreign-pods.ts';

it('a pod that is no launcher says that it never starts, once, and goes when it is deleted', async () => {
  const { client } = createMemoryKube();
  const told: string[] = [];
  const events = {
    record: (_: object, type: string, reason: string) => void told.push(`${type} ${reason}`),
    flush: async () => undefined,
  };
  const spec = { nodeName: 'n1', containers: [{ name: 'px', image: 'busybox' }] };
  const px = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'px', namespace: 'ns' }, spec };
  await client.create<Pod>(resources.pods, px);
  // The cast is safe: it is there until the last look.
  const look = async () => (await client.get<Pod>(resources.pods, 'px', 'ns')) as Stored<Pod>;
  await refusePod({ client, events }, await look(), '127.0.0.1', 0);
  const { status } = await look();
  const why = {
    status: 'False',
    reason: 'UnsupportedPod',
    message: expect.stringContaining('Only virt-launcher pods'),
  };
  expect(status).toMatchObject({ phase: 'Pending', reason: 'UnsupportedPod' });
  expect(findCondition(status?.conditions, 'ContainersReady')).toMatchObject(why);
  expect(findCondition(status?.conditions, 'Ready')).toMatchObject(why);
  await refusePod({ client, events }, await look(), '127.0.0.1', 0);
  expect(told).toEqual(['Warning UnsupportedPod']);
  await client.delete(resources.pods, 'px', 'ns');
  await refusePod({ client, events }, await look(), '127.0.0.1', 0);
  expect(await client.get(resources.pods, 'px', 'ns')).toBeUndefined();
});
