import type { PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { names, resources } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { silentLogger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import { createMemoryKube } from '@godwit/kube-client/testing';
import type { Cache } from '@godwit/reconcile';
import { expect, it } from 'vitest';
import { createPopulator } from './reconciler.ts';

const KEY = { namespace: 'ns', name: 'c' };
const created = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };

function claim(phase: 'Running' | 'Succeeded'): Stored<PersistentVolumeClaim> {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...created,
      ...KEY,
      uid: 'uid-c',
      annotations: {
        [names.importSourceAnnotation]: 'registry',
        [names.importEndpointAnnotation]: 'docker://quay.io/a/b',
        [names.populationPhaseAnnotation]: phase,
      },
    },
    spec: { volumeName: 'pv', accessModes: ['ReadWriteOnce'] },
    status: { phase: 'Bound' },
  };
}

const volume: Stored<PersistentVolume> = {
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: {
    ...created,
    name: 'pv',
    uid: 'uid-pv',
    annotations: { 'godwit.dev/provisioned': 'true', 'godwit.dev/provision-node': 'n1' },
  },
  spec: { capacity: { storage: '1Mi' }, accessModes: ['ReadWriteOnce'], local: { path: 'pv' } },
};

function cacheOf<T>(object: Stored<T & PersistentVolume> | Stored<T & PersistentVolumeClaim>): Cache<never> {
  // The cast is safe: the populator only gets.
  return { get: () => object, list: () => [object], byIndex: () => [] } as unknown as Cache<never>;
}

it('asks the API server before it fills: a cache that lags would overwrite the disk of a guest', async () => {
  const kube = createMemoryKube();
  kube.seed(claim('Succeeded'));
  const asked: string[] = [];
  const images = {
    containerDisk: async (reference: string) => {
      asked.push(reference);
      throw new Error('no image');
    },
    file: async () => undefined,
  };
  const populator = createPopulator(
    { nodeName: 'n1', pools: { nodePool: '/nowhere', sharedPool: '/nowhere' } },
    {
      io: {
        client: kube.client,
        claims: cacheOf(claim('Running')),
        volumes: cacheOf(volume),
        images,
        inUse: () => false,
        scratch: '/nowhere',
      },
      clock: systemClock,
      log: silentLogger,
    },
  );
  await populator.reconcile(KEY);
  await populator.stop();
  expect(asked).toEqual([]);
  const now = await kube.client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, 'c', 'ns');
  expect(now?.metadata.annotations?.[names.populationPhaseAnnotation]).toBe('Succeeded');
});

it('says that an upload has filled the claim until the API server has heard it', async () => {
  const kube = createMemoryKube();
  const { importSourceAnnotation, importEndpointAnnotation, uploadTargetAnnotation } = names;
  const asked = claim('Running');
  const { [importSourceAnnotation]: _, [importEndpointAnnotation]: __, ...marks } = asked.metadata.annotations ?? {};
  const waiting = {
    ...asked,
    metadata: { ...asked.metadata, annotations: { ...marks, [uploadTargetAnnotation]: '' } },
  };
  kube.seed(waiting);
  let lost = 0;
  const client: KubeClient = {
    ...kube.client,
    async patch(resource, name, namespace, body, subresource) {
      if (JSON.stringify(body).includes('Succeeded') && lost++ < 2)
        throw new GodwitError('KUBE_UNREACHABLE', 'no answer', { retry: 'backoff' });
      return kube.client.patch(resource, name, namespace, body, subresource);
    },
  };
  const populator = createPopulator(
    { nodeName: 'n1', pools: { nodePool: '/nowhere', sharedPool: '/nowhere' } },
    {
      io: {
        client,
        claims: cacheOf(waiting),
        volumes: cacheOf(volume),
        images: { containerDisk: async () => '', file: async () => undefined },
        inUse: () => false,
        scratch: '/nowhere',
      },
      clock: { now: () => 0, after: (_ms, run) => (queueMicrotask(run), () => undefined) },
      log: silentLogger,
    },
  );
  await populator.upload(KEY, async () => undefined);
  const now = await kube.client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, 'c', 'ns');
  expect(lost).toBe(3);
  expect(now?.metadata.annotations?.[names.populationPhaseAnnotation]).toBe('Succeeded');
});
