import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { copyMarks } from '@godwit/api';
import { expect, it } from 'vitest';
import { claim, pod } from '../../testing/objects.ts';
import { wantedFinalizers } from './decide.ts';

const mounts = (claimName: string) => ({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] });
const launcher = pod('virt-launcher-vm', mounts('old'), {
  labels: { 'kubevirt.io/created-by': 'uid-vm' },
  phase: 'Running',
});

const onNode = { ...launcher, spec: { ...launcher.spec, nodeName: 'n1' } };

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

const GUARD = 'kubernetes.io/pvc-protection';
const HELD = 'godwit.dev/in-use';
const leaving = { deletionTimestamp: '2026-01-01T00:00:00Z' };
const named = (name: string, finalizers: string[], more: object = {}) =>
  claim(name, {}, { metadata: { finalizers, ...more } });

it.each([
  ['nobody uses stays as it is', named('x', [GUARD]), [launcher], [], undefined],
  ['nobody uses goes when deleted', named('x', [GUARD, 'other'], leaving), [launcher], [], ['other']],
  ['a pod uses stays', named('old', [GUARD], leaving), [launcher], [], undefined],
  [
    'a finished pod used goes',
    named('old', [GUARD], leaving),
    [pod('p', mounts('old'), { phase: 'Succeeded' })],
    [],
    [],
  ],
  ['a VMI uses is held', named('old', [GUARD]), [launcher], [vmi('old')], [GUARD, HELD]],
  ['a VMI uses stays', named('old', [GUARD, HELD], leaving), [launcher], [vmi('old')], undefined],
  [
    'a VMI uses stays when the server has dropped its guard',
    named('old', [HELD], leaving),
    [],
    [vmi('old')],
    undefined,
  ],
  [
    'a finished VMI used is no longer held',
    named('old', [GUARD, HELD]),
    [],
    [vmi('old', { phase: 'Failed' })],
    [GUARD],
  ],
  ['is the source of a move in progress is held', named('old', [GUARD]), [launcher], [inPlace(false)], [GUARD, HELD]],
  ['is the target of a move in progress is held', named('new', [GUARD]), [launcher], [inPlace(false)], [GUARD, HELD]],
  [
    'a guest left in place goes, though its pod still lists it',
    named('old', [GUARD, HELD], leaving),
    [launcher],
    [inPlace(true)],
    [],
  ],
  [
    'a guest moved to in place stays, though no pod lists it',
    named('new', [GUARD, HELD], leaving),
    [launcher],
    [inPlace(true)],
    undefined,
  ],
  [
    'a guest lost while it ran goes, though its pod still lists it',
    named('old', [GUARD, HELD], leaving),
    [onNode],
    [vmi('new', { phase: 'Running', nodeName: 'n1', volumeStatus: [] })],
    [],
  ],
  [
    'a guest is losing stays',
    named('old', [GUARD, HELD], leaving),
    [onNode],
    [
      vmi('new', {
        phase: 'Running',
        nodeName: 'n1',
        volumeStatus: [{ name: 'x', persistentVolumeClaimInfo: { claimName: 'old' } }],
      }),
    ],
    undefined,
  ],
  [
    'another pod of the guest lists stays',
    named('old', [GUARD], leaving),
    [onNode],
    [vmi('new', { phase: 'Running', nodeName: 'n2', volumeStatus: [] })],
    undefined,
  ],
])('a claim that %s', (_, of, pods, instances, wanted) =>
  expect(wantedFinalizers(of, pods, instances, [])).toEqual(wanted),
);

const volumes = [{ volumeName: 'root', source: 'old', target: 'new', node: 'n1' }];
// The cast is safe: nothing else of the VM is looked at.
const copying = { status: { offlineCopy: { id: 'c', attempts: 1, volumes } } } as unknown as VirtualMachine;
const marked = { annotations: { [copyMarks.source]: 'old', [copyMarks.id]: 'c' } };

it.each([
  ['source is held, from before the first mark', named('old', [GUARD]), [copying], [GUARD, HELD]],
  ['source stays when it is deleted', named('old', [HELD], leaving), [copying], undefined],
  ['source goes once nothing is copied any more', named('old', [HELD], leaving), [], []],
  ['target is held while an agent may write to it', named('new', [GUARD], marked), [copying], [GUARD, HELD]],
  ['target goes when none does', named('new', [GUARD, HELD], leaving), [copying], []],
])('of a copy of a stopped VM the %s', (_, of, machines, wanted) =>
  expect(wantedFinalizers(of, [], [], machines)).toEqual(wanted),
);
