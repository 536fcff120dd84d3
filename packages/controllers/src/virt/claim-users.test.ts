import { names } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { describeUsers, machineClaims } from './claim-users.ts';
import type { ClaimCandidates } from './claim-users.ts';
import { storedPod, storedVm, storedVmi } from './testing/objects.ts';

const vm = storedVm();
const vmi = storedVmi({ phase: 'Running', nodeName: 'n1' });
const other = { ...storedVm(), metadata: { ...storedVm().metadata, name: 'other', uid: 'other' } };
const otherVmi = (status: object) => {
  const one = storedVmi({ phase: 'Running', ...status }, { uid: 'other-vmi' });
  return { ...one, metadata: { ...one.metadata, name: 'other' } };
};
const own = { [names.createdByLabel]: 'vmi-uid' };
const theirs = { [names.createdByLabel]: 'other-vmi' };
const none: ClaimCandidates = { machines: [], instances: [], pods: [], allInstances: [] };

describe('what else uses a claim', () => {
  it.each<[string, Partial<ClaimCandidates>, string[]]>([
    ['only the VM itself', { machines: [vm], instances: [vmi] }, []],
    ['another VM, stopped or not', { machines: [vm, other] }, ['VirtualMachine other']],
    [
      'another VM with its guest, told once',
      { machines: [other], instances: [otherVmi({})] },
      ['VirtualMachine other'],
    ],
    ['a VMI of its own', { instances: [otherVmi({})] }, ['VirtualMachineInstance other']],
    ['a VMI that has ended', { instances: [otherVmi({ phase: 'Succeeded' })] }, []],
    ['a pod', { pods: [storedPod('backup')] }, ['Pod backup']],
    ['a pod that has ended', { pods: [storedPod('backup', { phase: 'Succeeded' })] }, []],
    ["the guest's own pod", { pods: [storedPod('p', { node: 'n1', labels: own })] }, []],
    ['its pod of before a move, not ended yet', { pods: [storedPod('p', { node: 'n2', labels: own })] }, ['Pod p']],
    [
      'the pod of a guest whose volumes have been moved in place since',
      {
        pods: [storedPod('p', { node: 'n2', labels: theirs })],
        allInstances: [otherVmi({ migrationState: { migrationUid: 'm', method: 'InPlace', completed: true } })],
      },
      [],
    ],
    [
      'the pod of a guest whose volumes are being moved',
      {
        pods: [storedPod('p', { node: 'n2', labels: theirs })],
        allInstances: [otherVmi({ migrationState: { migrationUid: 'm', method: 'InPlace' } })],
      },
      ['Pod p'],
    ],
  ])('%s', (_, candidates, wanted) => expect(describeUsers({ ...none, ...candidates }, { vm, vmi })).toEqual(wanted));
});

describe('claims a VM has a right to', () => {
  it('are those of its template', () => expect(machineClaims(vm)).toEqual(['root-old']));
  it('and, half-way through a volume migration, those with the newest data', () =>
    expect(machineClaims(storedVm({ updateVolumesStrategy: 'Migration' }, { lastVolumes: { root: 'x' } }))).toEqual([
      'root-old',
      'x',
    ]));
});
