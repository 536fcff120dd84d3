import type { AdmissionRequest, ObjectReader } from '@godwit/api-server';
import { names, resources } from '@godwit/api';
import type { KubeObject, PersistentVolumeClaim } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storageProfileAdmission } from './storage-profile.ts';

const objects: Record<string, KubeObject[]> = {
  storageclasses: [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: {
        name: 'shared-once',
        creationTimestamp: '2026-01-01T00:00:00Z',
        annotations: { [names.defaultClassAnnotation]: 'true' },
      },
    },
    { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'shared' } },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: {
        name: 'local',
        creationTimestamp: '2026-01-02T00:00:00Z',
        annotations: { [names.defaultClassAnnotation]: 'true' },
      },
    },
  ],
  storageprofiles: [
    {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'StorageProfile',
      metadata: { name: 'shared' },
      status: {
        claimPropertySets: [
          { accessModes: ['ReadWriteMany'], volumeMode: 'Block' },
          { accessModes: ['ReadWriteMany'], volumeMode: 'Filesystem' },
        ],
      },
    },
    {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'StorageProfile',
      metadata: { name: 'local' },
      status: { claimPropertySets: [{ accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem' }] },
    },
  ],
};
const reader: ObjectReader = {
  get: ({ plural }, name) => objects[plural]?.find(({ metadata }) => metadata.name === name),
  list: ({ plural }) => objects[plural] ?? [],
};

function made(spec: PersistentVolumeClaim['spec'], labels: Record<string, string>): PersistentVolumeClaim['spec'] {
  const object = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'new', labels }, spec };
  // The cast is safe: the plug-in reads these members only.
  const request = {
    operation: 'CREATE',
    resource: resources.persistentVolumeClaims,
    subresource: '',
    object,
  } as unknown as AdmissionRequest;
  void storageProfileAdmission.mutate?.(request, reader);
  return object.spec;
}

describe('a claim that wants its modes from the profile of its class [SLM 1.8]', () => {
  const label = { 'cdi.kubevirt.io/applyStorageProfile': 'true' };
  it.each<[string, PersistentVolumeClaim['spec'], object]>([
    ['of a class by name', { storageClassName: 'shared' }, { accessModes: ['ReadWriteMany'], volumeMode: 'Block' }],
    ['of the default class, the newest of two', {}, { accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem' }],
    [
      'and has chosen one of them',
      { storageClassName: 'shared', volumeMode: 'Filesystem' },
      { accessModes: ['ReadWriteMany'], volumeMode: 'Filesystem' },
    ],
    ['of a class without one', { storageClassName: 'other' }, {}],
    ['of no class', { storageClassName: '' }, {}],
  ])('%s', (_, spec, wanted) => expect(made({ ...spec }, label)).toEqual({ ...spec, ...wanted }));

  it('has to say so', () => expect(made({ storageClassName: 'shared' }, {})).toEqual({ storageClassName: 'shared' }));
});
