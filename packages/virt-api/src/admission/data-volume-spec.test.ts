import type { DataVolumeSpec } from '@godwit/api';
import { expect, it } from 'vitest';
import { judgeDataVolumeSpec } from './data-volume-spec.ts';

const source = { blank: {} };
const size = { resources: { requests: { storage: '1Gi' } } };

function fieldsOf(spec: object): string[] {
  // A client may send what no type lets through.
  return judgeDataVolumeSpec(spec as DataVolumeSpec, 'spec').problems.map(({ field }) => field);
}

it.each<[string, object, string]>([
  ['an unknown access mode', { source, storage: { ...size, accessModes: ['Foo'] } }, 'spec.storage.accessModes'],
  ['an unknown volume mode', { source, storage: { ...size, volumeMode: 'Bogus' } }, 'spec.storage.volumeMode'],
  ['an unknown access mode of a claim', { source, pvc: { ...size, accessModes: ['Foo'] } }, 'spec.pvc.accessModes'],
  ['a claim without access modes', { source, pvc: size }, 'spec.pvc.accessModes'],
  ['two sources', { source: { blank: {}, upload: {} }, storage: size }, 'spec.source'],
  ['a URL of another scheme', { source: { http: { url: 'ftp://x' } }, storage: size }, 'spec.source.http.url'],
  ['an archive', { source: { upload: {} }, storage: size, contentType: 'archive' }, 'spec.contentType'],
  ['pvc and storage', { source, storage: size, pvc: { ...size, accessModes: ['ReadWriteOnce'] } }, 'spec'],
])('refuses %s, by its path', (_, spec, field) => {
  expect(fieldsOf(spec)).toEqual([field]);
});

it('names the modes that exist, as Kubernetes does', () => {
  const [problem] = judgeDataVolumeSpec({ source, storage: { ...size, volumeMode: 'x' as 'Block' } }, 'spec').problems;
  expect(problem).toMatchObject({
    message: 'Unsupported value: "x": supported values: "Block", "Filesystem"',
    reason: 'FieldValueNotSupported',
  });
});

it('lets in a volume whose modes are left to its StorageProfile', () => {
  expect(judgeDataVolumeSpec({ source, storage: size }, 'spec')).toEqual({ problems: [], warnings: [] });
});
