import { resources } from '@godwit/api';
import type { KubeEvent, KubeObject } from '@godwit/api';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { expect, it } from 'vitest';
import { createEventRecorder } from './events.ts';
import { fakeClock } from './testing/fake-clock.ts';

const claim: KubeObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'c', namespace: 'default', uid: 'u' },
};

it('counts repetitions in one event, and writes them at most once in the quiet time', async () => {
  const clock = fakeClock();
  let writes = 0;
  const { client } = createMemoryKube({
    clock,
    intercept: ({ verb }) => {
      if (verb === 'create' || verb === 'patch') writes += 1;
    },
  });
  const recorder = createEventRecorder({ client, component: 'test', clock });
  for (let n = 0; n < 10; n += 1) recorder.record(claim, 'Warning', 'Waiting', 'for a volume');
  recorder.record(claim, 'Normal', 'Bound', 'done');
  await recorder.flush();
  clock.advance(5_000);
  await recorder.flush();
  const { items } = await client.list<KubeEvent>(resources.events, { namespace: 'default' });
  expect(Object.fromEntries(items.map((event) => [event.reason, event['count']]))).toEqual({ Bound: 1, Waiting: 10 });
  expect(writes).toBe(3);
  expect(items[0]?.involvedObject).toMatchObject({ kind: 'PersistentVolumeClaim', name: 'c', uid: 'u' });
});

it('goes on after the server refused', async () => {
  const { client } = createMemoryKube({
    intercept: () => {
      throw new Error('down');
    },
  });
  const recorder = createEventRecorder({ client, component: 'test' });
  recorder.record(claim, 'Normal', 'Bound', 'done');
  await expect(recorder.flush()).resolves.toBeUndefined();
});
