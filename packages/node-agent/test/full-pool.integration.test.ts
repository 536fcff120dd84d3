import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resources } from '@godwit/api';
import type { PersistentVolume, Stored } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createVolumeReconciler } from '../src/volumes/reconciler.ts';
import type { VolumeReconcilerIo } from '../src/volumes/reconciler.ts';

it('a volume that its pool cannot hold is tried again ever more rarely, and tells rough figures only', async () => {
  const root = mkdtempSync(join(tmpdir(), 'full-pool-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const { client } = createMemoryKube();
  await client.create(resources.persistentVolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: 'huge',
      annotations: {
        'godwit.dev/pool': 'node',
        'godwit.dev/provisioned': 'false',
        'godwit.dev/provision-node': 'n1',
      },
    },
    spec: {
      capacity: { storage: '8Ei' },
      local: { path: join(root, 'huge') },
      claimRef: { namespace: 'ns', name: 'c' },
    },
  });
  // The casts are safe: it stays there, and this reconciler only gets from its cache.
  const look = async () =>
    (await client.get<PersistentVolume>(resources.persistentVolumes, 'huge', '')) as Stored<PersistentVolume>;
  let seen = await look();
  const volumes = { get: () => seen } as unknown as VolumeReconcilerIo['volumes'];
  const reconciler = createVolumeReconciler(
    { nodeName: 'n1', pools: { nodePool: root, sharedPool: root } },
    { io: { client, volumes, inUse: () => false }, log: silentLogger },
  );
  const pauses: unknown[] = [];
  for (let n = 0; n < 6; n += 1) {
    pauses.push(await reconciler.reconcile({ namespace: '', name: 'huge' }));
    seen = await look();
  }
  expect(pauses).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000].map((requeueAfterMs) => ({ requeueAfterMs })));
  expect(seen.metadata.annotations?.['godwit.dev/provision-error']).toMatch(
    /^the node pool has about \d+([KMGTPE]i)? free, 8Ei are asked for$/,
  );
});
