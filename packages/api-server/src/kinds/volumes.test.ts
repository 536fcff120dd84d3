import type { KubeObject } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import type { Strategy } from './served-kind.ts';
import { claimStrategy, storageClassStrategy, volumeStrategy } from './volumes.ts';

function causesOf(strategy: Strategy, fields: object): (readonly [string | undefined, string | undefined])[] {
  const object: KubeObject = { apiVersion: 'v1', kind: 'Any', metadata: { name: 'a' }, ...fields };
  strategy.defaults?.(object);
  return (strategy.validate?.(object) ?? []).map(({ field, message }) => [field, message] as const);
}

const size = { resources: { requests: { storage: '1Gi' } } };
const capacity = { capacity: { storage: '1Gi' } };
const once = { accessModes: ['ReadWriteOnce'] };
const modes = '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"';

describe('claims, volumes and storage classes', () => {
  it.each<[string, Strategy, object]>([
    ['a claim', claimStrategy, { spec: { ...size, ...once } }],
    ['a raw claim', claimStrategy, { spec: { ...size, accessModes: ['ReadWriteMany'], volumeMode: 'Block' } }],
    ['a volume', volumeStrategy, { spec: { ...capacity, ...once, persistentVolumeReclaimPolicy: 'Delete' } }],
    ['a class', storageClassStrategy, { provisioner: 'p', volumeBindingMode: 'WaitForFirstConsumer' }],
  ])('are let in: %s', (_, strategy, fields) => {
    expect(causesOf(strategy, fields)).toEqual([]);
  });

  it.each<[string, Strategy, object, string, string]>([
    [
      'a claim with an unknown access mode',
      claimStrategy,
      { spec: { ...size, accessModes: ['Foo'] } },
      'spec.accessModes',
      `Unsupported value: "Foo": supported values: ${modes}`,
    ],
    [
      'a claim with an unknown volume mode',
      claimStrategy,
      { spec: { ...size, ...once, volumeMode: 'Bogus' } },
      'spec.volumeMode',
      'Unsupported value: "Bogus": supported values: "Block", "Filesystem"',
    ],
    [
      'a claim of one pod and of others',
      claimStrategy,
      { spec: { ...size, accessModes: ['ReadWriteOnce', 'ReadWriteOncePod'] } },
      'spec.accessModes',
      'Forbidden: may not use ReadWriteOncePod with other access modes',
    ],
    ['a volume without access modes', volumeStrategy, { spec: capacity }, 'spec.accessModes', 'Required value'],
    [
      'a volume with an unknown volume mode',
      volumeStrategy,
      { spec: { ...capacity, ...once, volumeMode: 'Bogus' } },
      'spec.volumeMode',
      'Unsupported value: "Bogus": supported values: "Block", "Filesystem"',
    ],
    [
      'a volume with an unknown reclaim policy',
      volumeStrategy,
      { spec: { ...capacity, ...once, persistentVolumeReclaimPolicy: 'Burn' } },
      'spec.persistentVolumeReclaimPolicy',
      'Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"',
    ],
    [
      'a class with an unknown binding mode',
      storageClassStrategy,
      { provisioner: 'p', volumeBindingMode: 'Later' },
      'volumeBindingMode',
      'Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
    ],
    [
      'a class with an unknown reclaim policy',
      storageClassStrategy,
      { provisioner: 'p', reclaimPolicy: 'Recycle' },
      'reclaimPolicy',
      'Unsupported value: "Recycle": supported values: "Delete", "Retain"',
    ],
  ])('are refused as by Kubernetes: %s', (_, strategy, fields, field, message) => {
    expect(causesOf(strategy, fields)).toEqual([[field, message]]);
  });
});
