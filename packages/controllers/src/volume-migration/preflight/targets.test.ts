import type { DataVolume, PersistentVolume } from '@godwit/api';
import { names } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { classOf, refusal } from '../testing/checks.ts';
import type { Changes } from '../testing/checks.ts';

describe('a claim that volumes are to move to', () => {
  it.each<[string, Changes, string, string]>([
    ['can only be read', { claims: { new: { accessModes: ['ReadOnlyMany'] } } }, 'TargetReadOnly', 'spec.accessModes'],
    ['has lost its volume', { claims: { new: { phase: 'Lost' } } }, 'TargetLost', 'status.phase'],
    ['does not exist [SLM 5.1 #7]', { wanted: { root: 'nowhere' } }, 'TargetNotFound', 'PVC nowhere'],
    [
      'is smaller than the disk',
      { status: { volumeStatus: [{ name: 'root', size: 2 ** 31 }] } },
      'TargetTooSmall',
      '2147483648',
    ],
  ])('a target that %s is refused', (_, changes, reason, text) => {
    expect(refusal(changes)).toMatchObject({ verdict: 'hold', reason, message: expect.stringContaining(text) });
  });

  const filling = (source: string, phase = 'Running') => ({
    'cdi.kubevirt.io/storage.import.source': source,
    'cdi.kubevirt.io/storage.pod.phase': phase,
  });
  const importing = (phase: 'ImportInProgress' | 'Succeeded'): DataVolume => ({
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { name: 'new' },
    spec: { source: { http: { url: 'http://images.example/disk.raw' } } },
    status: { phase },
  });
  it('a claim that an import fills is refused, also when a volume names it without its DataVolume', () => {
    const claims = { new: { annotations: filling('http') } };
    const message = expect.stringContaining('DataVolume new, spec.source') as string;
    expect(refusal({ claims, dataVolumes: [importing('ImportInProgress')] })).toMatchObject({
      verdict: 'restart',
      reason: 'TargetStillFilled',
      message,
    });
    const alone = expect.stringContaining('PVC new, metadata.annotations') as string;
    expect(refusal({ claims })).toMatchObject({ verdict: 'restart', reason: 'TargetStillFilled', message: alone });
    const done = { new: { annotations: filling('http', 'Succeeded') } };
    expect(refusal({ claims: done, dataVolumes: [importing('Succeeded')] })).toBeUndefined();
    expect(refusal({ claims: done })).toBeUndefined();
  });

  it('a bound blank target is waited for until it is made; one that is not bound yet is made on the way', () => {
    const claims = { new: { annotations: filling('blank') } };
    expect(refusal({ claims })).toMatchObject({ verdict: 'hold', reason: 'TargetStillFilled' });
    expect(refusal({ claims: { new: { annotations: filling('blank', 'Succeeded') } } })).toBeUndefined();
    expect(refusal({ claims: { new: { phase: 'Pending', annotations: filling('blank') } } })).toBeUndefined();
  });

  const full: PersistentVolume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pvc-1', annotations: { 'godwit.dev/provision-error': 'the node pool has 5 bytes free' } },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] } as PersistentVolume['spec'],
  };
  it.each<[string, Changes, string, string]>([
    [
      'has a class that does not exist [SLM 5.1 #11]',
      { claims: { new: { phase: 'Pending', storageClassName: 'nope' } }, storageClass: undefined },
      'StorageClassNotFound',
      'PVC new, spec.storageClassName: StorageClass nope does not exist',
    ],
    [
      'has no class, and there is no default',
      { claims: { new: { phase: 'Pending' } }, storageClass: undefined },
      'StorageClassNotFound',
      'no default one',
    ],
    [
      'asks for what its class does not offer',
      {
        claims: { new: { phase: 'Pending', accessModes: ['ReadWriteMany'] } },
        storageClass: classOf(names.provisioner),
      },
      'TargetNotProvisioned',
      'does not offer ReadWriteMany',
    ],
    [
      'got no volume for want of space',
      { claims: { new: { phase: 'Pending' } }, pv: full },
      'TargetNotProvisioned',
      'the node pool has 5 bytes free. Free space there',
    ],
  ])('a target that %s is refused before anything is announced', (_, changes, reason, text) => {
    expect(refusal(changes)).toMatchObject({ verdict: 'hold', reason, message: expect.stringContaining(text) });
  });
});
