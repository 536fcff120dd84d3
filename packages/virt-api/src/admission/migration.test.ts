import type { AdmissionRequest, ObjectReader } from '@godwit/api-server';
import type { Condition, KubeObject, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { names, resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { controllersUser } from '../users.ts';
import { migrationAdmission } from './migration.ts';

const disks: Condition = { type: 'LiveMigratable', status: 'False', reason: 'DisksNotLiveMigratable' };
const network: Condition = { type: 'StorageLiveMigratable', status: 'False', reason: 'NotMigratable' };

function admit(conditions: readonly Condition[], labels: Record<string, string>): () => void {
  const vmi: VirtualMachineInstance = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'ns' },
    spec: { domain: { devices: {} } },
    status: { phase: 'Running', conditions: [...conditions] },
  };
  const object: VirtualMachineInstanceMigration = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: 'm', namespace: 'ns', uid: 'm', labels },
    spec: { vmiName: 'vm' },
  };
  const request = {
    operation: 'CREATE',
    resource: resources.virtualMachineInstanceMigrations,
    subresource: '',
    name: 'm',
    namespace: 'ns',
    user: { username: controllersUser, groups: [] },
    object,
  };
  const reader = { get: (): KubeObject => vmi, list: (): KubeObject[] => [] };
  // The casts are safe: the plug-in reads these members only.
  return () =>
    void migrationAdmission.validate?.(request as unknown as AdmissionRequest, reader as unknown as ObjectReader);
}

describe('a migration of a guest that cannot leave its node', () => {
  const ofVolumes = { [names.volumeUpdateMigrationLabel]: 'vm' };
  it('is refused', () => expect(admit([disks], {})).toThrow(/DisksNotLiveMigratable/));
  it('is let in when only volumes are to change', () => expect(admit([disks], ofVolumes)).not.toThrow());
  it('is refused even then when the storage cannot be moved either', () =>
    expect(admit([disks, network], ofVolumes)).toThrow(/DisksNotLiveMigratable/));
});
