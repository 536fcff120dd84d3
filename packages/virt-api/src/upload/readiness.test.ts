import type { PersistentVolume, PersistentVolumeClaim } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { readinessOf } from './readiness.ts';

const grant = { namespace: 'ns', name: 'c', uid: 'u' };
const TARGET = { 'cdi.kubevirt.io/storage.upload.target': '' };
const READY = {
  ...TARGET,
  'cdi.kubevirt.io/storage.pod.phase': 'Running',
  'cdi.kubevirt.io/storage.pod.ready': 'true',
};

function claim(annotations: Record<string, string>, phase = 'Bound', metadata: object = {}): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'ns', uid: 'u', annotations, ...metadata },
    spec: { accessModes: ['ReadWriteOnce'] },
    status: { phase: phase as 'Bound' },
  };
}
const volume: PersistentVolume = {
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'v', annotations: { 'godwit.dev/provision-node': 'n2' } },
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] },
};

describe('a claim', () => {
  it('that waits for an upload takes it on the node of its volume', () => {
    expect(readinessOf(grant, claim(READY), volume)).toEqual({ is: 'ready', node: 'n2' });
  });

  it.each([
    ['not bound, without a consumer', claim(TARGET, 'Pending'), 'first consumer'],
    [
      'about to be bound',
      claim({ ...TARGET, 'cdi.kubevirt.io/storage.bind.immediate.requested': '' }, 'Pending'),
      'not bound to a volume yet',
    ],
    ['whose node has not said so', claim(TARGET), 'not prepared'],
  ])('%s is waited for', (_, one, because) => {
    expect(readinessOf(grant, one, volume)).toMatchObject({
      is: 'awaited',
      because: expect.stringContaining(because) as string,
    });
  });

  it.each([
    ['is gone', undefined, 404],
    ['was made again since', claim(READY, 'Bound', { uid: 'other' }), 401],
    ['is being deleted', claim(READY, 'Bound', { deletionTimestamp: '2026-01-01T00:00:00Z' }), 409],
    ['asks for no upload', claim({}), 409],
    ['is filled from elsewhere', claim({ ...READY, 'cdi.kubevirt.io/storage.import.source': 'http' }), 409],
    ['is filled', claim({ ...READY, 'cdi.kubevirt.io/storage.pod.phase': 'Succeeded' }), 409],
    ['has failed', claim({ ...READY, 'cdi.kubevirt.io/storage.pod.phase': 'Failed' }), 409],
    ['wants an archive', claim({ ...READY, 'cdi.kubevirt.io/storage.contentType': 'archive' }), 415],
  ])('that %s is refused', (_, one, code) => {
    expect(readinessOf(grant, one, volume)).toMatchObject({ is: 'refused', code });
  });
});
