import type { AccessMode, StorageClass, StorageProfile, VolumeMode } from '@godwit/api';
import { volumeModeParameter } from '../storage/marks.ts';
import { isOurs, poolOf } from '../storage/storage-class.ts';

type PropertySet = { accessModes: AccessMode[]; volumeMode: VolumeMode };

/** What our provisioner offers for a class, best first: shared before exclusive, the class's own mode before the other. */
export function offeredSets(storageClass: StorageClass): PropertySet[] {
  if (!isOurs(storageClass)) return [];
  const own: VolumeMode = storageClass.parameters?.[volumeModeParameter] === 'Block' ? 'Block' : 'Filesystem';
  const other: VolumeMode = own === 'Block' ? 'Filesystem' : 'Block';
  const accessModes: AccessMode[] =
    poolOf(storageClass) === 'shared' ? ['ReadWriteMany', 'ReadWriteOnce'] : ['ReadWriteOnce'];
  return [own, other].flatMap((volumeMode) => accessModes.map((mode) => ({ accessModes: [mode], volumeMode })));
}

/** Status of the profile of a class. What its author wrote into `spec` wins over what we know of the provisioner. */
export function desiredProfileStatus(
  storageClass: StorageClass,
  spec: StorageProfile['spec'],
): NonNullable<StorageProfile['status']> {
  return {
    storageClass: storageClass.metadata.name ?? '',
    provisioner: storageClass.provisioner,
    claimPropertySets: spec?.claimPropertySets ?? offeredSets(storageClass),
    cloneStrategy: 'copy',
  };
}
