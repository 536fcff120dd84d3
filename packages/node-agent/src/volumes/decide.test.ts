import type { PersistentVolume } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { decideVolume } from './decide.ts';
import { locateVolume, ownsItsPath } from './location.ts';

function pv(changes: {
  marks?: Record<string, string>;
  phase?: 'Bound' | 'Released';
  policy?: 'Retain' | 'Delete';
  deleted?: boolean;
  finalizers?: string[];
  path?: string;
  mode?: 'Filesystem' | 'Block';
}): PersistentVolume {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: 'pv-1',
      annotations: { 'godwit.dev/provisioned': 'true', 'godwit.dev/provision-node': 'n1', ...changes.marks },
      finalizers: changes.finalizers ?? ['godwit.dev/volume'],
      ...(changes.deleted && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: changes.policy ?? 'Delete',
      local: { path: changes.path ?? '/pool/pv-1' },
      ...(changes.mode && { volumeMode: changes.mode }),
    },
    ...(changes.phase && { status: { phase: changes.phase } }),
  };
}

describe('what an agent owes a volume', () => {
  it.each([
    ['a volume marked unprovisioned for this node', pv({ marks: { 'godwit.dev/provisioned': 'false' } }), 'provision'],
    [
      'the selected node wins over the provision node',
      pv({ marks: { 'volume.kubernetes.io/selected-node': 'n2', 'godwit.dev/provisioned': 'false' } }),
      'nothing',
    ],
    ['a bound volume', pv({ phase: 'Bound' }), 'nothing'],
    ['a volume that is to grow', pv({ phase: 'Bound', marks: { 'godwit.dev/expand-to': '2Gi' } }), 'expand'],
    [
      'a volume that has grown',
      pv({ marks: { 'godwit.dev/expand-to': '2Gi', 'godwit.dev/expanded-to': '2Gi' } }),
      'nothing',
    ],
    ['a released volume', pv({ phase: 'Released' }), 'request-deletion'],
    ['a released volume that is retained', pv({ phase: 'Released', policy: 'Retain' }), 'nothing'],
    ['a deleted volume', pv({ phase: 'Released', deleted: true }), 'reclaim'],
    ['a deleted volume whose bytes must stay', pv({ deleted: true, policy: 'Retain' }), 'release'],
    [
      'a deleted volume already dealt with',
      pv({ deleted: true, finalizers: ['kubernetes.io/pv-protection'] }),
      'nothing',
    ],
  ])('%s', (_, object, wanted) => expect(decideVolume(object, 'n1').do).toBe(wanted));

  it('leaves volumes of other provisioners alone', () => {
    const foreign = pv({ deleted: true });
    foreign.metadata.annotations = {};
    expect(decideVolume(foreign, 'n1').do).toBe('nothing');
  });
});

describe('where a volume is', () => {
  const pools = { nodePool: '/pool', sharedPool: '/shared' };
  it('finds the image of both modes', () => {
    expect(locateVolume(pv({}), pools).image).toBe('/pool/pv-1/disk.img');
    expect(locateVolume(pv({ mode: 'Block' }), pools).image).toBe('/pool/pv-1');
    expect(locateVolume(pv({ path: 'pv-2', marks: { 'godwit.dev/pool': 'shared' } }), pools).path).toBe('/shared/pv-2');
  });
  it.each(['/etc', '/pool', '/pool/../etc', '../x', ''])('refuses %j', (path) => {
    expect(() => locateVolume(pv({ path }), pools)).toThrow(expect.objectContaining({ code: 'VOLUME_LOCATION' }));
  });

  it.each([
    ['its own directory', {}, true],
    ['a path relative to the pool', { path: 'pv-1' }, true],
    ['the directory of another volume', { path: '/pool/pv-2' }, false],
    ['a file inside another volume', { path: '/pool/pv-2/pv-1' }, false],
    ['the pool itself', { path: '/pool' }, false],
    ['a place outside', { path: '/etc/pv-1' }, false],
    ['its name in the other pool', { path: '/pool/pv-1', marks: { 'godwit.dev/pool': 'shared' } }, false],
  ])('owns bytes under its own name only: %s', (_, changes, owns) =>
    expect(ownsItsPath(pv(changes), pools)).toBe(owns),
  );
});
