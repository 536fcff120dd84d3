import { names } from '@godwit/api';
import type { PersistentVolumeClaim, VirtualMachineInstance } from '@godwit/api';
import { expect, it } from 'vitest';
import { decideMachine } from '../virtual-machine/decide.ts';
import { movedAwayAnnotation } from '../virtual-machine/run-strategy.ts';
import { storedPod, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { decideInstance } from './decide.ts';

const unbound: PersistentVolumeClaim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'root-old' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  status: { phase: 'Pending' },
};

it('starts no guest while a pod of an earlier VMI of its name may run one', () => {
  const seen = { vmi: storedVmi({ phase: 'Pending' }), pods: [], volumes: [] };
  expect(decideInstance(seen, 0).createPod).toBeDefined();
  const waiting = decideInstance({ ...seen, predecessor: storedPod('old', { node: 'n1' }) }, 0);
  expect(waiting.createPod).toBeUndefined();
  expect(waiting.next.status?.conditions).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('pod old') }),
  );
});

it.each([
  ['the VMI is deleted', true],
  ['its pod is deleted', false],
])('a guest is not ready any more once %s', (_, deleted) => {
  const running = { phase: 'Running', nodeName: 'n1', conditions: [{ type: 'Ready', status: 'True' }] } as const;
  const vmi = storedVmi({ ...running, conditions: [...running.conditions] }, { deleted });
  const alive = storedPod('launcher', { node: 'n1' });
  const pod = deleted
    ? alive
    : { ...alive, metadata: { ...alive.metadata, deletionTimestamp: '2026-01-01T00:01:00Z' } };
  const { next } = decideInstance({ vmi, pods: [pod], volumes: [] }, 0);
  const notReady = {
    type: 'Ready',
    status: 'False',
    reason: 'PodTerminating',
    message: 'virt-launcher pod is terminating',
  };
  expect(next.status?.phase).toBe('Running');
  expect(next.status?.conditions).toContainEqual(expect.objectContaining(notReady));
});

it.each<[string, object, Parameters<typeof storedVm> | undefined, boolean]>([
  ['moved away, VM not fenced yet', { completed: true }, [], true],
  ['ended while it was being moved', {}, [], true],
  ['ended while it was being moved, VM halted', {}, [{ runStrategy: 'Halted' }], true],
  ['the move had failed', { completed: true, failed: true }, [], false],
  ['nobody over there had been told', { startTimestamp: undefined }, [], false],
  ['no VM', { completed: true }, undefined, false],
])('the source of a move to another cluster outlives its pods until its VM is fenced: %s', (_, state, vm, held) => {
  const vmi = storedVmi(
    {
      phase: 'Running',
      migrationState: {
        migrationUid: 'm',
        startTimestamp: '2026-01-01T00:00:00Z',
        sourceState: { virtualMachineInstanceUID: 'vmi-uid' },
        targetState: { virtualMachineInstanceUID: 'elsewhere' },
        ...state,
      },
    },
    { deleted: true },
  );
  const owner = vm && storedVm(...vm);
  const finalizers = (of: typeof owner) =>
    decideInstance({ vmi, pods: [], volumes: [], owner: of }, 0).next.metadata.finalizers?.length;
  expect(finalizers(owner)).toBe(held ? 1 : 0);
  if (!owner) return;
  // The VM controller sees the VMI ended, and sets what this waits for.
  const ended = decideInstance({ vmi, pods: [], volumes: [], owner }, 0).next;
  const claim = () => ({ pvc: undefined, pv: undefined, storageClass: undefined });
  const claims = { pvc: () => undefined, dataVolume: () => undefined, claim, usersOf: () => [], readyNodes: () => [] };
  const seen = { nameTaken: false, activeMigrations: [], ...claims };
  const machine = { ...seen, vm: owner, vmi: ended, reachableInPlace: () => false, liveUpdate: true };
  const { next } = decideMachine(machine, 0);
  if (held) expect(next.metadata.annotations?.[movedAwayAnnotation]).toBeDefined();
  expect(finalizers(held ? next : owner)).toBe(0);
});

it('has the claims of volumes that come later made on the node of the guest, and no others', () => {
  const volumes = [{ name: 'root', claimName: 'root-old', fromDataVolume: false, pvc: unbound, dataVolume: undefined }];
  const made = (status: VirtualMachineInstance['status'], pvc: PersistentVolumeClaim | undefined = unbound) => {
    const vmi = storedVmi({ phase: 'Running', nodeName: 'n1', ...status });
    return decideInstance({ vmi, pods: [], volumes: volumes.map((one) => ({ ...one, pvc })) }, 0).provision;
  };
  const volumeStatus = [{ name: 'root', phase: 'Pending', hotplugVolume: {} }];
  expect(made({ volumeStatus })).toEqual(['root-old']);
  expect(made({ volumeStatus }, { ...unbound, status: { phase: 'Bound' } })).toEqual([]);
  const chosen = { name: 'root-old', annotations: { [names.selectedNodeAnnotation]: 'n2' } };
  expect(made({ volumeStatus }, { ...unbound, metadata: chosen })).toEqual([]);
  expect(made({ volumeStatus: [{ name: 'root', phase: 'Pending' }] })).toEqual([]);
  expect(made({ volumeStatus: [{ name: 'root', phase: 'Ready', hotplugVolume: {} }] })).toEqual([]);
  expect(made({ volumeStatus, migratedVolumes: [{ volumeName: 'root' }] })).toEqual([]);
  expect(made({ volumeStatus, migrationState: { migrationUid: 'm' } })).toEqual([]);
});
