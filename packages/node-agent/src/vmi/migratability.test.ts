import type { PersistentVolumeClaim, Stored, VirtualMachineInstance } from '@godwit/api';
import { findCondition } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import type { SeenClaim } from '../launcher/claims.ts';
import { decideMigratability } from './migratability.ts';

function claim(volume: string, accessModes: ('ReadWriteOnce' | 'ReadWriteMany')[]): SeenClaim {
  const pvc: Stored<PersistentVolumeClaim> = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: volume, uid: volume, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { accessModes },
  };
  return { volume, claimName: volume, pvc, pv: undefined };
}

function vmi(
  spec: Partial<VirtualMachineInstance['spec']>,
  migrated: string[] = [],
): Pick<VirtualMachineInstance, 'spec' | 'status'> {
  return {
    spec: { domain: { devices: {} }, volumes: [{ name: 'root', dataVolume: { name: 'root' } }], ...spec },
    status: { migratedVolumes: migrated.map((volumeName) => ({ volumeName })) },
  };
}

const rwo = [claim('root', ['ReadWriteOnce'])];
const rwx = [claim('root', ['ReadWriteMany'])];
const withDisk = (disk: object): Partial<VirtualMachineInstance['spec']> => ({
  domain: { devices: { disks: [{ name: 'seed', ...disk }] } },
  volumes: [{ name: 'seed', cloudInitNoCloud: { userData: '' } }],
});

describe('whether a guest can move [SLM 5.2 #28, 5.3 #31]', () => {
  it.each([
    ['a shared claim', vmi({}), rwx, 'True', undefined, 'LiveMigration'],
    ['a claim of one node', vmi({}), rwo, 'False', 'DisksNotLiveMigratable', 'LiveMigration'],
    ['a claim of one node that is being moved', vmi({}, ['root']), rwo, 'True', undefined, 'BlockMigration'],
    ['a claim that is not known', vmi({}), [], 'False', 'DisksNotLiveMigratable', 'LiveMigration'],
    ['a writable disk of this node alone', vmi(withDisk({ disk: {} })), [], 'True', undefined, 'BlockMigration'],
    ['a CD-ROM', vmi(withDisk({ cdrom: {} })), [], 'True', undefined, 'LiveMigration'],
    [
      'a bridge to the pod network comes before the disks',
      vmi({ domain: { devices: { interfaces: [{ name: 'n', bridge: {} }] } }, networks: [{ name: 'n', pod: {} }] }),
      rwo,
      'False',
      'InterfaceNotLiveMigratable',
      'LiveMigration',
    ],
  ])('%s', (_, object, claims, status, reason, method) => {
    const verdict = decideMigratability({ vmi: object, claims });
    expect(verdict.method).toBe(method);
    expect(findCondition(verdict.conditions, 'LiveMigratable')).toMatchObject({ status, ...(reason && { reason }) });
  });
});
