import { keyOf, resources } from '@godwit/api';
import type { StorageClass, StorageProfile, Stored } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import type { Reconciler } from '@godwit/reconcile';
import type { Controller, ControllerContext } from '../context.ts';
import { desiredProfileStatus } from './decide.ts';

/** One StorageProfile per StorageClass, of the same name. */
export function createProfileReconciler({ client, manager, log }: ControllerContext): Reconciler {
  const classes = manager.cache<StorageClass>(resources.storageClasses);
  const profiles = manager.cache<StorageProfile>(resources.storageProfiles);

  function created(storageClass: Stored<StorageClass>): Promise<Stored<StorageProfile>> {
    const { name } = storageClass.metadata;
    log.info({ StorageProfile: name }, 'creating the profile of a storage class');
    return client.create<StorageProfile>(resources.storageProfiles, {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'StorageProfile',
      metadata: { name, labels: { app: 'containerized-data-importer' } },
      spec: {},
    });
  }

  return {
    name: 'storage-profiles',
    watches: [
      { resource: resources.storageClasses, toKeys: (storageClass) => [keyOf(storageClass)] },
      { resource: resources.storageProfiles, toKeys: (profile) => [keyOf(profile)] },
    ],
    async reconcile(key) {
      const storageClass = classes.get(key);
      const old = profiles.get(key);
      if (!storageClass) {
        if (old)
          await client.delete(resources.storageProfiles, key.name, '', { preconditions: { uid: old.metadata.uid } });
        return;
      }
      const profile = old ?? (await created(storageClass));
      const status = desiredProfileStatus(storageClass, profile.spec);
      if (jsonEqual(status, profile.status)) return;
      await client.patch(resources.storageProfiles, key.name, '', { type: 'merge', patch: { status } }, 'status');
    },
  };
}

export const storageProfiles: Controller = {
  name: 'storage-profiles',
  setUp(context) {
    context.manager.add(createProfileReconciler(context));
  },
};
