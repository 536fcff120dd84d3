import { defaultClass, keyOf, resources } from '@godwit/api';
import type {
  DataVolume,
  KubeObject,
  ObjectKey,
  PersistentVolumeClaim,
  StorageClass,
  StorageProfile,
  Stored,
} from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { isAlreadyExists } from '@godwit/kube-client';
import type { Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../../context.ts';
import { defaultVirtClass } from '../storage-class.ts';
import { decideDataVolume } from './decide.ts';
import type { DataVolumeSeen, DataVolumeStep } from './decide.ts';
import { ownerReference } from './desired-claim.ts';

const UNFINISHED = 'unfinished';

/** CDI's DataVolumes: makes the claim, and turns what node agents report on it into phase and conditions. */
export function createDataVolumeReconciler(context: ControllerContext): Reconciler {
  const { client, manager, clock, events, log } = context;
  const dataVolumes = manager.cache<DataVolume>(resources.dataVolumes, {
    indexes: { [UNFINISHED]: ({ status }) => [status?.phase === 'Succeeded' ? 'no' : 'yes'] },
  });
  const claims = manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims);
  const classes = manager.cache<StorageClass>(resources.storageClasses);
  const profiles = manager.cache<StorageProfile>(resources.storageProfiles);

  function observe(dataVolume: Stored<DataVolume>): DataVolumeSeen {
    const claim = claims.get(keyOf(dataVolume));
    const { pvc, storage } = dataVolume.spec;
    const named = pvc?.storageClassName ?? storage?.storageClassName;
    const all = classes.list();
    // A `pvc` without a class gets the cluster's default as any claim does; `storage` prefers the one for VMs.
    const fallback = storage ? defaultVirtClass(all) : defaultClass(all);
    const storageClass = named === undefined ? fallback : classes.get({ namespace: '', name: named });
    return {
      dataVolume,
      claim,
      claimClass: classes.get({ namespace: '', name: claim?.spec.storageClassName ?? '' }),
      storageClass,
      profile: profiles.get({ namespace: '', name: named ?? storageClass?.metadata.name ?? '' }),
    };
  }

  async function carryOut(dataVolume: Stored<DataVolume>, step: DataVolumeStep): Promise<void> {
    const { name, namespace = '', uid } = dataVolume.metadata;
    log.info({ DataVolume: keyOf(dataVolume), step: step.do }, 'serving a DataVolume');
    switch (step.do) {
      case 'create-claim':
        try {
          await client.create(resources.persistentVolumeClaims, step.claim);
        } catch (error) {
          if (!isAlreadyExists(error)) throw error;
        }
        return;
      case 'adopt-claim': {
        const claim = claims.get(keyOf(dataVolume));
        if (!claim) return;
        const ownerReferences = [...(claim.metadata.ownerReferences ?? []), ownerReference(name, uid)];
        const { resourceVersion } = claim.metadata;
        await client.patch(resources.persistentVolumeClaims, name, namespace, {
          type: 'merge',
          patch: { metadata: { ownerReferences, resourceVersion } },
        });
      }
    }
  }

  function unfinishedKeys(): ObjectKey[] {
    return dataVolumes.byIndex(UNFINISHED, 'yes').map((one: KubeObject) => keyOf(one));
  }

  return {
    name: 'data-volumes',
    concurrency: 2,
    watches: [
      { resource: resources.dataVolumes, toKeys: (dataVolume) => [keyOf(dataVolume)] },
      // A DataVolume's claim has its name.
      { resource: resources.persistentVolumeClaims, toKeys: (claim) => [keyOf(claim)] },
      { resource: resources.storageClasses, toKeys: unfinishedKeys },
      { resource: resources.storageProfiles, toKeys: unfinishedKeys },
    ],
    async reconcile(key) {
      const dataVolume = dataVolumes.get(key);
      if (!dataVolume) return;
      const plan = decideDataVolume(observe(dataVolume), clock.now());
      if (!jsonEqual(plan.status, dataVolume.status ?? {})) {
        const patch = { metadata: { resourceVersion: dataVolume.metadata.resourceVersion }, status: plan.status };
        await client.patch(resources.dataVolumes, key.name, key.namespace, { type: 'merge', patch }, 'status');
      }
      for (const event of plan.events) events.record(dataVolume, event.type, event.reason, event.message);
      if (plan.step) await carryOut(dataVolume, plan.step);
    },
  };
}
