import type { AdmissionPlugin, ObjectReader } from '@godwit/api-server';
import { defaultClass, modesOf, names, resources } from '@godwit/api';
import type { PersistentVolumeClaim, StorageProfile } from '@godwit/api';

function classOf({ spec }: PersistentVolumeClaim, reader: ObjectReader): string | undefined {
  if (spec.storageClassName !== undefined) return spec.storageClassName;
  return defaultClass(reader.list(resources.storageClasses))?.metadata.name;
}

/** Fills in the modes of plain claims with CDI's label from the StorageProfile of their class, as CDI does. */
export const storageProfileAdmission: AdmissionPlugin = {
  name: 'storage-profile.godwit.dev',
  mutate({ operation, resource: { group, plural }, subresource, object }, reader) {
    if (operation !== 'CREATE' || group !== '' || plural !== 'persistentvolumeclaims' || subresource !== '') return [];
    if (object?.metadata.labels?.[names.applyStorageProfileLabel] !== 'true') return [];
    // The casts are safe: the server knows these kinds.
    const claim = object as PersistentVolumeClaim;
    claim.spec ??= {};
    const className = classOf(claim, reader);
    const profile = className === undefined ? undefined : reader.get(resources.storageProfiles, className);
    const modes = modesOf(claim.spec.accessModes, claim.spec.volumeMode, profile as StorageProfile | undefined);
    if (!modes) return [];
    claim.spec.accessModes = [...modes.accessModes];
    claim.spec.volumeMode = modes.volumeMode;
    return [];
  },
};
