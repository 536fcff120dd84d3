import type { MachineSpec } from '@godwit/hypervisor';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { expect, it } from 'vitest';
import { copiedDisks } from './identity.ts';

it('a disk that is on its destination already is not copied onto itself', () => {
  const listed = ['a', 'b'].map((volumeName) => ({
    volumeName,
    sourcePVCInfo: { claimName: `${volumeName}-old` },
    destinationPVCInfo: { claimName: `${volumeName}-new` },
  }));
  // The casts are safe: only these members are looked at.
  const vmi = {
    spec: {
      volumes: ['a', 'b'].map((name) => ({ name, persistentVolumeClaim: { claimName: `${name}-new` } })),
    },
    status: { migratedVolumes: listed, migrationState: { volumes: listed, movedVolumes: ['a'] } },
  } as unknown as Stored<VirtualMachineInstance>;
  const spec = { disks: [{ name: 'a' }, { name: 'b' }] } as unknown as MachineSpec;
  expect(copiedDisks(vmi, spec, false)).toEqual(['b']);
  expect(copiedDisks(vmi, spec, true)).toEqual(['a', 'b']);
});
