import type { Pod, Stored, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedPod, storedVmi } from '../virt/testing/objects.ts';
import { decidePhase } from './phase.ts';

const source = storedPod('source', { node: 'n1' });
const ended = (phase: 'Succeeded' | 'Failed'): Stored<Pod> => storedPod('source', { node: 'n1', phase });
const target = storedPod('target', { node: 'n2', labels: { 'kubevirt.io/migrationJobUID': 'm' } });
const moving = {
  migrationUid: 'm',
  sourcePod: 'source',
  targetPod: 'target',
  sourceNode: 'n1',
  targetNode: 'n2',
  targetNodeAddress: 'a',
};
const across = {
  ...moving,
  sourceState: { virtualMachineInstanceUID: 'vmi-uid' },
  targetState: { virtualMachineInstanceUID: 'other' },
};
const receiver = { annotations: { 'kubevirt.io/create-migration-target': 'true' } };

describe('phase of a VMI', () => {
  it.each<[string, Stored<VirtualMachineInstance>, Stored<Pod>[], string]>([
    ['new', storedVmi(), [], 'Pending'],
    ['no pod yet', storedVmi({ phase: 'Pending' }), [], 'Pending'],
    ['pod created', storedVmi({ phase: 'Pending' }), [storedPod('source', { phase: 'Pending' })], 'Scheduling'],
    [
      'pod bound',
      storedVmi({ phase: 'Scheduling' }),
      [storedPod('source', { node: 'n1', phase: 'Pending' })],
      'Scheduled',
    ],
    ['pod lost before the guest ran', storedVmi({ phase: 'Scheduling' }), [], 'Failed'],
    ['pod failed before the guest ran', storedVmi({ phase: 'Scheduled' }), [ended('Failed')], 'Failed'],
    ['running', storedVmi({ phase: 'Running', nodeName: 'n1' }), [source], 'Running'],
    ['shut down', storedVmi({ phase: 'Running', nodeName: 'n1' }), [ended('Succeeded')], 'Succeeded'],
    ['crashed', storedVmi({ phase: 'Running', nodeName: 'n1' }), [ended('Failed')], 'Failed'],
    ['pod vanished', storedVmi({ phase: 'Running', nodeName: 'n1' }), [], 'Failed'],
    ['final stays final', storedVmi({ phase: 'Failed' }), [source], 'Failed'],
    [
      'source pod ended, handover undecided',
      storedVmi({ phase: 'Running', nodeName: 'n1', migrationState: moving }),
      [ended('Failed'), target],
      'Running',
    ],
    [
      'source and target pods ended',
      storedVmi({ phase: 'Running', nodeName: 'n1', migrationState: moving }),
      [ended('Failed')],
      'Failed',
    ],
    [
      'source crashed before the agents were engaged',
      storedVmi({ phase: 'Running', nodeName: 'n1', migrationState: { migrationUid: 'm', targetPod: 'target' } }),
      [ended('Failed'), target],
      'Failed',
    ],
    [
      'guest arrived on the other node',
      storedVmi({ phase: 'Running', nodeName: 'n2', migrationState: { ...moving, completed: true } }),
      [ended('Succeeded'), target],
      'Running',
    ],
    [
      'left for another cluster',
      storedVmi({ phase: 'Running', nodeName: 'n1', migrationState: { ...across, completed: true } }),
      [ended('Succeeded')],
      'Succeeded',
    ],
    [
      'ended during a move to another cluster, unanswered',
      storedVmi({ phase: 'Running', nodeName: 'n1', migrationState: across }),
      [ended('Failed')],
      'Running',
    ],
    [
      'ended after a failed move to another cluster',
      storedVmi({ phase: 'Running', nodeName: 'n1', migrationState: { ...across, completed: true, failed: true } }),
      [ended('Failed')],
      'Failed',
    ],
    ['receiver, new', storedVmi({}, receiver), [], 'WaitingForSync'],
    [
      'receiver with a pod',
      storedVmi({ phase: 'WaitingForSync' }, receiver),
      [storedPod('t', { phase: 'Pending' })],
      'Scheduling',
    ],
    ['receiver with a bound pod', storedVmi({ phase: 'Scheduling' }, receiver), [target], 'Scheduled'],
    ['receiver that lost its pod', storedVmi({ phase: 'Scheduled' }, receiver), [], 'WaitingForSync'],
    [
      'receiver of a failed move',
      storedVmi({ phase: 'Scheduled', migrationState: { failed: true } }, receiver),
      [target],
      'WaitingForSync',
    ],
    [
      'receiver whose guest runs',
      storedVmi(
        { phase: 'Scheduled', migrationState: { completed: true, targetNodeDomainReadyTimestamp: 't' } },
        receiver,
      ),
      [target],
      'Running',
    ],
  ])('%s', (_, vmi, pods, wanted) => expect(decidePhase({ vmi, pods }).phase).toBe(wanted));
});
