import { keyOf, resources } from '@godwit/api';
import type { PersistentVolume, Stored } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import type { Cache, Reconciler } from '@godwit/reconcile';
import { decideVolume } from './decide.ts';
import { locateVolume, ownsItsPath } from './location.ts';
import type { Pools } from './location.ts';
import { volumeMarks } from './names.ts';
import { deleteVolume, expandVolume, provisionVolume } from './provision.ts';

export interface VolumeReconcilerIo {
  readonly client: KubeClient;
  readonly volumes: Cache<PersistentVolume>;
  /** True while a machine of this node has the file open. */
  readonly inUse: (image: string) => boolean;
}

const LOOK_AGAIN_MS = 5000;
const LONGEST_PAUSE_MS = 60_000;

/** Creates and deletes the bytes of the PVs this node is responsible for. */
export function createVolumeReconciler(
  options: { readonly nodeName: string; readonly pools: Pools },
  { io, log }: { io: VolumeReconcilerIo; log: Logger },
): Reconciler {
  const { nodeName, pools } = options;
  /** Failed attempts to create a volume, by its name. */
  const failures = new Map<string, number>();

  async function annotate(pv: Stored<PersistentVolume>, annotations: Record<string, string | null>): Promise<void> {
    const patch = { metadata: { annotations } };
    await io.client.patch(resources.persistentVolumes, pv.metadata.name, '', { type: 'merge', patch });
  }

  async function letGo(pv: Stored<PersistentVolume>): Promise<void> {
    const finalizers = (pv.metadata.finalizers ?? []).filter((name) => name !== volumeMarks.finalizer);
    const patch = { metadata: { finalizers, resourceVersion: pv.metadata.resourceVersion } };
    await io.client.patch(resources.persistentVolumes, pv.metadata.name, '', { type: 'merge', patch });
  }

  async function provision(pv: Stored<PersistentVolume>): Promise<{ requeueAfterMs: number } | void> {
    try {
      log.info({ PersistentVolume: keyOf(pv) }, 'creating volume');
      await provisionVolume(pv, locateVolume(pv, pools));
    } catch (error) {
      const message = describeError(error);
      if (pv.metadata.annotations?.[volumeMarks.provisionError] !== message)
        await annotate(pv, { [volumeMarks.provisionError]: message });
      log.warn({ PersistentVolume: keyOf(pv), err: message }, 'volume could not be created');
      const attempts = failures.get(pv.metadata.name) ?? 0;
      failures.set(pv.metadata.name, attempts + 1);
      return { requeueAfterMs: backoffMs(attempts, LOOK_AGAIN_MS, LONGEST_PAUSE_MS) };
    }
    failures.delete(pv.metadata.name);
    await annotate(pv, { [volumeMarks.provisioned]: 'true', [volumeMarks.provisionError]: null });
  }

  return {
    name: 'volumes',
    watches: [{ resource: resources.persistentVolumes, toKeys: (pv) => [keyOf(pv)] }],
    async reconcile(key) {
      const pv = io.volumes.get(key);
      if (!pv) return void failures.delete(key.name);
      const plan = decideVolume(pv, nodeName);
      switch (plan.do) {
        case 'nothing':
          return;
        case 'provision':
          return provision(pv);
        case 'expand':
          log.info({ PersistentVolume: key, to: plan.to }, 'growing volume');
          await expandVolume(locateVolume(pv, pools), plan.to);
          return annotate(pv, { [volumeMarks.expandedTo]: plan.to });
        case 'request-deletion':
          log.info({ PersistentVolume: key }, 'asking to delete released volume');
          return io.client.delete(resources.persistentVolumes, key.name, '', {
            preconditions: { uid: pv.metadata.uid },
          });
        case 'reclaim': {
          if (!ownsItsPath(pv, pools)) {
            const { path } = pv.spec.local ?? {};
            log.warn({ PersistentVolume: key, path }, 'keeping bytes that are not in a place of the volume’s own');
            return letGo(pv);
          }
          const at = locateVolume(pv, pools);
          if (io.inUse(at.image)) {
            log.warn({ PersistentVolume: key, path: at.path }, 'keeping a deleted volume that a machine still uses');
            return { requeueAfterMs: LOOK_AGAIN_MS };
          }
          log.info({ PersistentVolume: key, path: at.path }, 'deleting volume bytes');
          await deleteVolume(at);
          return letGo(pv);
        }
        case 'release':
          return letGo(pv);
      }
    },
  };
}
