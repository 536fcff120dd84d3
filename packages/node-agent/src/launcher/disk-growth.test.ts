import { names } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim, Stored, VirtualMachineInstance } from '@godwit/api';
import type { DiskSpec, MachineSpec } from '@godwit/hypervisor';
import { describe, expect, it } from 'vitest';
import type { SeenClaim, UsableClaim } from './claims.ts';
import { decideGrowth } from './disk-growth.ts';

const MIB = 2 ** 20;
const path = '/pool/pv/disk.img';

interface Changes {
  readonly claim?: Record<string, string>;
  readonly volume?: Record<string, string>;
  readonly status?: VirtualMachineInstance['status'];
  readonly disk?: Partial<DiskSpec>;
  readonly usable?: number;
  readonly backing?: string;
}

function grown(changes: Changes): readonly (readonly [string, number])[] {
  const stored = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', uid: 'u' };
  const pvc: Stored<PersistentVolumeClaim> = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { ...stored, name: 'claim', annotations: changes.claim ?? {} },
    spec: { resources: { requests: { storage: '64Mi' } } },
  };
  const pv: Stored<PersistentVolume> = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { ...stored, name: 'pv', annotations: changes.volume ?? {} },
    spec: { capacity: { storage: '64Mi' }, accessModes: ['ReadWriteOnce'] } as PersistentVolume['spec'],
  };
  const location: UsableClaim = {
    pool: 'node',
    poolPath: '/pool',
    path: '/pool/pv',
    image: path,
    mode: 'Filesystem',
    sizeBytes: changes.usable ?? 64 * MIB,
  };
  const open: SeenClaim = { volume: 'root', claimName: 'claim', pvc, pv };
  const disk: DiskSpec = {
    name: 'root',
    device: 'disk',
    bus: 'virtio',
    readOnly: false,
    cache: 'none',
    sizeBytes: 32 * MIB,
    ...changes.disk,
  };
  return decideGrowth({
    vmi: changes.status ? { status: changes.status } : {},
    spec: { disks: [disk] } as unknown as MachineSpec,
    backings: [{ name: 'root', path: changes.backing ?? path, format: 'raw', driver: 'file', readOnly: false }],
    open: [open],
    locate: () => location,
  }).map((one) => [one.disk, one.toBytes] as const);
}

const expanded = { 'godwit.dev/expanded': '64Mi' };

describe('which disks are shown bigger [SLM 5.1 #1, #2]', () => {
  it.each<[string, Changes, boolean]>([
    ['a claim that was expanded', { volume: expanded }, true],
    ['a claim that says so', { claim: { [names.growDiskAnnotation]: 'true' } }, true],
    ['a claim that was bigger all along', {}, false],
    [
      'a claim that was expanded to hold the disk',
      { volume: expanded, claim: { [names.expandedForDiskAnnotation]: '64Mi' } },
      false,
    ],
    [
      'and expanded again by its user',
      { volume: expanded, claim: { [names.expandedForDiskAnnotation]: '33Mi' } },
      true,
    ],
    ['as big as its claim', { volume: expanded, usable: 32 * MIB }, false],
    ['shown read-only', { volume: expanded, disk: { readOnly: true } }, false],
    ['a CD-ROM', { volume: expanded, disk: { device: 'cdrom' } }, false],
    ['on another image', { volume: expanded, backing: '/pool/other/disk.img' }, false],
    ['about to be moved', { volume: expanded, status: { migratedVolumes: [{ volumeName: 'root' }] } }, false],
    ['being moved', { volume: expanded, status: { migrationState: { migrationUid: 'm' } } }, false],
    ['after a move', { volume: expanded, status: { migrationState: { migrationUid: 'm', completed: true } } }, true],
  ])('%s', (_, changes, wanted) => expect(grown(changes)).toEqual(wanted ? [['root', 64 * MIB]] : []));
});
