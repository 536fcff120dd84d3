import type { MachineSpec } from '@godwit/hypervisor';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { expect, it } from 'vitest';
import { copiedDisks, movedVolumes, postCopyProblem } from './identity.ts';

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

it('a copy that runs goes by its own list, whatever becomes of the one of the VMI [SLM H2]', () => {
  const root = {
    volumeName: 'root',
    sourcePVCInfo: { claimName: 'root-old' },
    destinationPVCInfo: { claimName: 'root-new' },
  };
  const vmi = {
    spec: { volumes: [{ name: 'root', persistentVolumeClaim: { claimName: 'root-old' } }] },
    status: { migratedVolumes: [], migrationState: { volumes: [root] } },
  } as unknown as Stored<VirtualMachineInstance>;
  const spec = { disks: [{ name: 'root' }] } as unknown as MachineSpec;
  expect(movedVolumes(vmi)).toEqual([root]);
  expect(copiedDisks(vmi, spec, false)).toEqual(['root']);
});

it('what is shown read-only is never copied, what belongs to the node always [SLM H3, 5.2 #26]', () => {
  const disk = (name: string, more: object = {}) => ({ name, sizeBytes: 1, ...more });
  const vmi = {
    spec: {
      volumes: [
        { name: 'moved', persistentVolumeClaim: { claimName: 'moved-new' } },
        { name: 'stays', persistentVolumeClaim: { claimName: 'stays' } },
        { name: 'system', containerDisk: { image: 'x' } },
        { name: 'scratch', emptyDisk: { capacity: '1Gi' } },
        { name: 'tools', containerDisk: { image: 'y' } },
      ],
    },
    status: { migrationState: { volumes: [{ volumeName: 'moved' }] } },
  } as unknown as Stored<VirtualMachineInstance>;
  const disks = [disk('moved'), disk('stays'), disk('system'), disk('scratch'), disk('tools', { device: 'cdrom' })];
  const spec = (list: object[]) => ({ disks: list }) as unknown as MachineSpec;
  expect(copiedDisks(vmi, spec(disks), false)).toEqual(['moved', 'system', 'scratch']);
  expect(copiedDisks(vmi, spec(disks), true)).toEqual(['moved', 'stays', 'system', 'scratch']);
  expect(() => copiedDisks(vmi, spec([disk('moved', { readOnly: true })]), false)).toThrow(/read-only/);
});

it('a guest whose disks are copied never goes by post-copy, after which neither side might have them [SLM 5.1 #4, H12]', () => {
  const listed = [{ volumeName: 'root' }];
  expect(postCopyProblem({ status: { migrationState: { volumes: listed } } }, false)).toHaveProperty('postCopyProblem');
  expect(postCopyProblem({ status: {} }, true)).toHaveProperty('postCopyProblem');
  expect(postCopyProblem({ status: {} }, false)).toEqual({});
});
