import { names } from '@godwit/api';
import type { KubeObject, StorageClass } from '@godwit/api';
import { poolParameter, storageMarks, volumeModeParameter } from '../storage/marks.ts';

function storageClass(
  name: string,
  parameters: Record<string, string>,
  volumeBindingMode: NonNullable<StorageClass['volumeBindingMode']>,
  annotations: Record<string, string> = {},
): StorageClass {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name, annotations },
    provisioner: names.provisioner,
    parameters,
    reclaimPolicy: 'Delete',
    volumeBindingMode,
    allowVolumeExpansion: true,
  };
}

/** The storage classes of a new local cluster. `local` is the default. */
export function defaultStorageClasses(): StorageClass[] {
  return [
    storageClass('local', { [poolParameter]: 'node', [volumeModeParameter]: 'Filesystem' }, 'WaitForFirstConsumer', {
      [names.defaultClassAnnotation]: 'true',
      [storageMarks.defaultVirtClass]: 'true',
    }),
    storageClass('shared', { [poolParameter]: 'shared', [volumeModeParameter]: 'Filesystem' }, 'Immediate'),
    storageClass('block', { [poolParameter]: 'shared', [volumeModeParameter]: 'Block' }, 'Immediate'),
    storageClass('local-block', { [poolParameter]: 'node', [volumeModeParameter]: 'Block' }, 'WaitForFirstConsumer'),
  ];
}

/** All storage objects of a new cluster: classes, then CDI's own object. StorageProfiles follow from the classes. */
export function defaultStorageObjects(): KubeObject[] {
  const cdi: KubeObject = {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'CDI',
    metadata: { name: 'cdi' },
    spec: { config: { featureGates: ['HonorWaitForFirstConsumer'] } },
  };
  return [...defaultStorageClasses(), cdi];
}
