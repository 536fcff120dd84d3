import { expect, test } from 'vitest';
import { layoutOf } from '../../local/layout.ts';
import { imagePath } from './locate-disk.ts';
import { blankDataVolumes, storageMovePatch, virtualMachine } from './objects.ts';
import type { Guest, Storage } from './objects.ts';
import { mergeBundles } from './trust.ts';

const guest: Guest = { name: 'g', userData: '#godwit-oracle\n', firmwareUuid: 'u', macAddress: '52:54:00:00:00:01' };
const block: Storage = { storageClass: 'block', accessMode: 'ReadWriteMany', volumeMode: 'Block' };

test('every template of a VM is used by a volume, and only the first root disk has an image', () => {
  const vm = virtualMachine(guest, block, 1, 'source');
  const used = vm.spec.template.spec.volumes?.flatMap((volume) => volume.dataVolume?.name ?? []);
  expect(vm.spec.dataVolumeTemplates?.map((template) => template.metadata.name)).toEqual(used);
  expect(vm.spec.dataVolumeTemplates?.map((template) => Object.keys(template.spec.source ?? {}))).toEqual([
    ['registry'],
    ['blank'],
  ]);
  const receiver = virtualMachine(guest, block, 2, 'receiver');
  expect(receiver.spec.runStrategy).toBe('WaitAsReceiver');
  expect(receiver.spec.dataVolumeTemplates?.every((template) => template.spec.source?.blank)).toBe(true);
});

test('a storage move names the blank volumes that were made for it, under the old volume names', () => {
  const before = virtualMachine(guest, block, 1, 'source').spec.template.spec.volumes?.map(({ name }) => name);
  const patch = storageMovePatch(guest, block, 2) as {
    spec: { template: { spec: { volumes: { name: string; dataVolume?: { name: string } }[] } } };
  };
  const after = patch.spec.template.spec.volumes;
  expect(after.map(({ name }) => name)).toEqual(before);
  expect(after.flatMap(({ dataVolume }) => dataVolume?.name ?? [])).toEqual(
    blankDataVolumes(guest, block, 2).map(({ metadata }) => metadata.name),
  );
});

test('a bundle keeps what it had and holds nothing twice', () => {
  const [a, b] = ['a', 'b'].map((body) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`);
  expect(mergeBundles('', `${a}\n`)).toBe(`${a}\n`);
  expect(mergeBundles(`${a}\n${b}`, `${b}\n${a}\n`)).toBe(`${a}\n${b}\n`);
});

test('a volume is found in its pool', () => {
  const layout = layoutOf('/d');
  const volume = (pool: string, volumeMode: 'Block' | 'Filesystem', path: string) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { annotations: { 'godwit.dev/pool': pool } },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: [],
      volumeMode,
      local: { path },
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'h', operator: 'In', values: ['node2'] }] }] },
      },
    },
  });
  expect(imagePath(layout, 'alpha', volume('node', 'Filesystem', 'pv'))).toBe(
    '/d/clusters/alpha/nodes/node2/volumes/pv/disk.img',
  );
  expect(imagePath(layout, 'alpha', volume('shared', 'Block', 'pv'))).toBe('/d/clusters/alpha/shared/pv');
  expect(imagePath(layout, 'alpha', volume('shared', 'Block', '/x/pv'))).toBe('/x/pv');
});
