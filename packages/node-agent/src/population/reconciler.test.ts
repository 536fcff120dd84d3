import type { PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { names, resources } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
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
