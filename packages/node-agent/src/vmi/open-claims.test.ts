import type { VirtualMachineInstance } from '@godwit/api';
import type { DiskBacking } from '@godwit/hypervisor';
import { expect, it } from 'vitest';
import { openClaims } from './open-claims.ts';

const moving = [{ volumeName: 'root', sourcePVCInfo: { claimName: 'old' }, destinationPVCInfo: { claimName: 'new' } }];

function openOf(path: string | undefined, status: VirtualMachineInstance['status'], specClaim = 'new'): string[] {
  const vmi = {
    spec: {
      domain: { devices: {} },
      volumes: [
        { name: 'root', persistentVolumeClaim: { claimName: specClaim } },
        { name: 'seed', cloudInitNoCloud: {} },
      ],
    },
    ...(status && { status }),
  };
  const backings: DiskBacking[] =
    path === undefined ? [] : [{ name: 'root', path, format: 'raw', driver: 'file', readOnly: false }];
  const claims = openClaims(vmi, backings, {
    seeClaim: (volume, claimName) => ({ volume, claimName, pvc: undefined, pv: undefined }),
    imageOf: ({ claimName }) => (claimName === 'unbound' ? undefined : `/pool/${claimName}/disk.img`),
  });
  return claims.map((claim) => claim.claimName);
}

it.each<[string, string | undefined, VirtualMachineInstance['status'], string]>([
  ['as the spec says', '/pool/new/disk.img', {}, 'new'],
  [
    'the source while a copy runs, though the spec names the target',
    '/pool/old/disk.img',
    { migratedVolumes: moving },
    'old',
  ],
  ['the target once the guest has pivoted', '/pool/new/disk.img', { migratedVolumes: moving }, 'new'],
  [
    'the source after a failed attempt whose list is gone',
    '/pool/old/disk.img',
    { migrationState: { migrationUid: 'm', failed: true, volumes: moving } },
    'old',
  ],
  ['the announced source when no image tells', '/elsewhere.img', { migratedVolumes: moving }, 'old'],
  ['the spec when nothing tells', undefined, {}, 'new'],
])('a volume is on %s [SLM H8]', (_, path, status, wanted) => expect(openOf(path, status)).toEqual([wanted]));

it('does not mind a target without an image yet', () =>
  expect(openOf('/pool/old/disk.img', { migratedVolumes: moving }, 'unbound')).toEqual(['old']));
