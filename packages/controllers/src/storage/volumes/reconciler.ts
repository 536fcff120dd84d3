import { keyOf, names, resources } from '@godwit/api';
import type { ObjectKey, PersistentVolume, PersistentVolumeClaim, Stored } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import type { Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../../context.ts';
import { decideVolume } from './decide.ts';

const BY_CLAIM = 'volume-of-claim';

/** Keeps the phase of volumes true and lets unused ones go. */
export function createVolumeReconciler(context: ControllerContext): Reconciler {
  const { client, manager, log } = context;
  const claims = manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims);
  const volumes = manager.cache<PersistentVolume>(resources.persistentVolumes, {
    indexes: {
      [BY_CLAIM]: ({ spec }) => (spec.claimRef ? [`${spec.claimRef.namespace}/${spec.claimRef.name}`] : []),
    },
  });

  async function claimOf(volume: Stored<PersistentVolume>): Promise<Stored<PersistentVolumeClaim> | undefined> {
    const ref = volume.spec.claimRef;
    if (!ref) return undefined;
    const key: ObjectKey = { namespace: ref.namespace, name: ref.name };
    const cached = claims.get(key);
    if (cached && (ref.uid === undefined || cached.metadata.uid === ref.uid)) return cached;
    return client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, ref.name, ref.namespace);
  }

  return {
    name: 'volumes',
    watches: [
      { resource: resources.persistentVolumes, toKeys: (volume) => [keyOf(volume)] },
      {
        resource: resources.persistentVolumeClaims,
        toKeys: ({ metadata }) => volumes.byIndex(BY_CLAIM, `${metadata.namespace}/${metadata.name}`).map(keyOf),
      },
    ],
    async reconcile(key) {
      const volume = volumes.get(key);
      if (!volume) return;
      const plan = decideVolume(volume, await claimOf(volume));
      const { name, resourceVersion } = volume.metadata;
      if (!jsonEqual(plan.status, volume.status ?? {})) {
        log.info({ PersistentVolume: key, phase: plan.status.phase }, 'volume changes phase');
        const patch = { metadata: { resourceVersion }, status: plan.status };
        await client.patch(resources.persistentVolumes, name, '', { type: 'merge', patch }, 'status');
        return;
      }
      if (plan.removeProtection) {
        const finalizers = (volume.metadata.finalizers ?? []).filter((one) => one !== names.pvProtectionFinalizer);
        const patch = { metadata: { finalizers, resourceVersion } };
        await client.patch(resources.persistentVolumes, name, '', { type: 'merge', patch });
      }
    },
  };
}
