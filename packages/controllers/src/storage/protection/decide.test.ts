import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { expect, it } from 'vitest';
import { pod } from '../../testing/objects.ts';
import { claimUser } from './decide.ts';

const mounts = (claimName: string) => ({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] });
const launcher = pod('virt-launcher-vm', mounts('old'), {
  labels: { 'kubevirt.io/created-by': 'uid-vm' },
  phase: 'Running',
});

function vmi(claimName: string, status: VirtualMachineInstance['status'] = { phase: 'Running' }) {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'default', uid: 'uid-vm' },
    spec: { domain: { devices: {} }, volumes: [{ name: 'root', persistentVolumeClaim: { claimName } }] },
    status,
  } as unknown as Stored<VirtualMachineInstance>;
}
const moving = [{ volumeName: 'root', sourcePVCInfo: { claimName: 'old' }, destinationPVCInfo: { claimName: 'new' } }];
const inPlace = (completed: boolean) =>
  vmi('new', {
    phase: 'Running',
    migrationState: { migrationUid: 'm', method: 'InPlace', completed, volumes: moving },
  });

it.each([
  ['nobody', 'x', [launcher], [], undefined],
  ['a running pod', 'old', [launcher], [], 'Pod virt-launcher-vm'],
  ['a finished pod', 'old', [pod('p', mounts('old'), { phase: 'Succeeded' })], [], undefined],
  ['a VMI', 'old', [], [vmi('old')], 'VirtualMachineInstance vm'],
  ['a finished VMI', 'old', [], [vmi('old', { phase: 'Failed' })], undefined],
  ['the source of a move in progress', 'old', [launcher], [inPlace(false)], 'VirtualMachineInstance vm'],
  ['the target of a move in progress', 'new', [launcher], [inPlace(false)], 'VirtualMachineInstance vm'],
  ['what a pod still lists after a move in place', 'old', [launcher], [inPlace(true)], undefined],
])('a claim is used by %s', (_, name, pods, instances, user) => expect(claimUser(name, pods, instances)).toBe(user));
