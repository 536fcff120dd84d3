import type { RunStrategy, Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedVm, storedVmi } from '../virt/testing/objects.ts';
import {
  awaitsRelease,
  decideFence,
  decideRun as decideRunAt,
  movedAwayAnnotation,
  pendingRequests,
} from './run-strategy.ts';

const none = undefined;
const ENDED = Date.parse('2026-01-01T00:10:00Z');
/** Long after every guest here has ended. */
const decideRun = (...facts: [VirtualMachine, Stored<VirtualMachineInstance> | undefined, string | undefined]) =>
  decideRunAt(...facts, ENDED + 3_600_000);
const running = storedVmi({ phase: 'Running' });
const failed = storedVmi({ phase: 'Failed' });
const succeeded = storedVmi({ phase: 'Succeeded' });
const receiver = storedVmi(
  { phase: 'WaitingForSync' },
  { annotations: { 'kubevirt.io/create-migration-target': 'true' } },
);
const arrived = storedVmi({ phase: 'Running', migrationState: { completed: true } });

function away(
  state: object,
  phase: 'Running' | 'Succeeded' | 'Failed' = 'Succeeded',
  deleted = false,
): Stored<VirtualMachineInstance> {
  return storedVmi(
    {
      phase,
      phaseTransitionTimestamps: [{ phase, phaseTransitionTimestamp: '2026-01-01T00:10:00Z' }],
      migrationState: {
        startTimestamp: '2026-01-01T00:00:00Z',
        sourceState: { virtualMachineInstanceUID: 'vmi-uid' },
        targetState: { virtualMachineInstanceUID: 'elsewhere' },
        ...state,
      },
    },
    { deleted },
  );
}

describe('what a run strategy asks for', () => {
  it.each<[string, RunStrategy, Stored<VirtualMachineInstance> | undefined, string]>([
    ['Always without a guest', 'Always', none, 'start'],
    ['Always with a guest', 'Always', running, 'nothing'],
    ['Always after a shutdown', 'Always', succeeded, 'stop'],
    ['Always after a crash', 'Always', failed, 'stop'],
    ['Halted without a guest', 'Halted', none, 'nothing'],
    ['Halted with a guest', 'Halted', running, 'stop'],
    ['Manual without a guest', 'Manual', none, 'nothing'],
    ['Manual after a shutdown', 'Manual', succeeded, 'nothing'],
    ['RerunOnFailure, new', 'RerunOnFailure', none, 'start'],
    ['RerunOnFailure after a crash', 'RerunOnFailure', failed, 'stop'],
    ['RerunOnFailure after a shutdown', 'RerunOnFailure', succeeded, 'stop'],
    ['Once without a guest', 'Once', none, 'start'],
    ['Once after a shutdown', 'Once', succeeded, 'nothing'],
    ['WaitAsReceiver without a VMI', 'WaitAsReceiver', none, 'start'],
    ['WaitAsReceiver waiting', 'WaitAsReceiver', receiver, 'nothing'],
    ['WaitAsReceiver with a guest of its own', 'WaitAsReceiver', running, 'refuse'],
    ['WaitAsReceiver once the guest is there', 'WaitAsReceiver', arrived, 'restore'],
    ['any strategy while the VMI goes away', 'Always', storedVmi({ phase: 'Running' }, { deleted: true }), 'nothing'],
  ])('%s', (_, runStrategy, vmi, wanted) => {
    expect(decideRun(storedVm({ runStrategy }), vmi, 'Always').do).toBe(wanted);
  });

  it('RerunOnFailure starts again after a crash only, by a request of its own', () => {
    expect(decideRun(storedVm({ runStrategy: 'RerunOnFailure' }), failed, none)).toMatchObject({
      do: 'stop',
      again: true,
    });
    const known = storedVm({ runStrategy: 'RerunOnFailure' }, { runStrategy: 'RerunOnFailure' });
    expect(decideRun(known, none, none).do).toBe('nothing');
    expect(
      decideRun({ ...known, status: { ...known.status, stateChangeRequests: [{ action: 'Start' }] } }, none, none).do,
    ).toBe('start');
  });

  it.each<[string, RunStrategy, Stored<VirtualMachineInstance>, string]>([
    ['moved away, Always', 'Always', away({ completed: true }), 'halt'],
    ['moved away, RerunOnFailure, pod failed', 'RerunOnFailure', away({ completed: true }, 'Failed'), 'halt'],
    ['moved away, Manual', 'Manual', away({ completed: true }), 'halt'],
    ['moved away, Once', 'Once', away({ completed: true }), 'halt'],
    ['moved away, VMI deleted by somebody', 'Always', away({ completed: true }, 'Running', true), 'halt'],
    ['ended in the middle of the move', 'Always', away({}, 'Failed'), 'halt'],
    [
      'crashed at the moment the move failed',
      'Always',
      away({ completed: true, failed: true, endTimestamp: '2026-01-01T00:10:00Z' }, 'Failed'),
      'halt',
    ],
    [
      'crashed long after a failed move',
      'Always',
      away({ completed: true, failed: true, endTimestamp: '2026-01-01T00:01:00Z' }, 'Failed'),
      'stop',
    ],
    ['moved away, still ending', 'Always', away({ completed: true }, 'Running'), 'nothing'],
    [
      'its agent says that it has not left',
      'Always',
      away({ completed: true, failed: true, settledOn: 'source', endTimestamp: '2026-01-01T00:10:00Z' }, 'Failed'),
      'stop',
    ],
  ])('a guest that may run elsewhere: %s', (_, runStrategy, vmi, wanted) => {
    expect(decideRun(storedVm({ runStrategy }), vmi, none).do).toBe(wanted);
  });

  it('a guest that is restarted long after a failed move stays wanted', () => {
    const vmi = away({ completed: true, failed: true, endTimestamp: '2026-01-01T00:00:30Z' }, 'Running', true);
    const since = [{ phase: 'Running', phaseTransitionTimestamp: '2025-12-31T00:00:00Z' }];
    vmi.status = { ...vmi.status, phaseTransitionTimestamps: since };
    expect(decideRun(storedVm({ runStrategy: 'Always' }), vmi, none).do).toBe('nothing');
  });

  it('a guest that may run elsewhere is waited for a while, since its agent may say that it does not', () => {
    const vm = storedVm({ runStrategy: 'Always' });
    const open = away({}, 'Failed');
    expect(decideRunAt(vm, open, none, ENDED + 59_000)).toEqual({ do: 'nothing', awaited: true });
    expect(decideRunAt(vm, open, none, ENDED + 60_000).do).toBe('halt');
    // As long as it has not ended here.
    expect(decideRun(vm, away({}, 'Running', true), none).do).toBe('nothing');
    // It has left for certain.
    expect(decideRunAt(vm, away({ completed: true }), none, ENDED).do).toBe('halt');
  });

  it('its VM is fenced before anything of it can go, until it is certain that it stayed', () => {
    const state = { migrationUid: 'm' };
    const closed = { failed: true, completed: true, endTimestamp: '2026-01-01T00:10:00Z' };
    const fenced = storedVm();
    fenced.metadata.annotations = { [movedAwayAnnotation]: 'm' };
    expect(decideFence(storedVm(), away(state, 'Running'))).toBe('leave');
    expect(decideFence(storedVm(), away(state, 'Running', true))).toBe('set');
    expect(decideFence(storedVm(), away({ ...state, ...closed }, 'Failed'))).toBe('set');
    const stayed = { ...state, ...closed, settledOn: 'source' };
    expect(decideFence(fenced, away(stayed, 'Failed'))).toBe('remove');
    expect(awaitsRelease(fenced, away(stayed, 'Failed'))).toBe(true);
    // The fence of an earlier move is not this one's to take away.
    expect(decideFence(fenced, away({ ...stayed, migrationUid: 'other' }, 'Failed'))).toBe('leave');
  });

  it('a fenced VM is halted even when nothing of its VMI is left', () => {
    const fenced = storedVm();
    fenced.metadata.annotations = { [movedAwayAnnotation]: 'x' };
    expect(decideRun(fenced, none, none).do).toBe('halt');
  });
});

describe('queued requests', () => {
  type Requests = NonNullable<NonNullable<VirtualMachine['status']>['stateChangeRequests']>;
  const stop = { action: 'Stop', uid: 'vmi-uid' } as const;
  const start = { action: 'Start' } as const;
  it.each<[string, Requests, Stored<VirtualMachineInstance> | undefined, Requests]>([
    ['a restart waits for its stop', [stop, start], running, [stop, start]],
    ['the stop is done once the VMI is gone', [stop, start], none, [start]],
    [
      'the start is done once the next VMI is there',
      [stop, start],
      storedVmi({ phase: 'Pending' }, { uid: 'next' }),
      [],
    ],
    ['a start stays until there is a VMI', [start], none, [start]],
  ])('%s', (_, stateChangeRequests, vmi, left) => {
    expect(pendingRequests(storedVm({}, { stateChangeRequests }), vmi)).toEqual(left);
  });

  it('a stop of an earlier VMI does not stop the present one', () => {
    const vm = storedVm({ runStrategy: 'Always' }, { stateChangeRequests: [{ action: 'Stop', uid: 'earlier' }] });
    expect(decideRun(vm, running, none).do).toBe('nothing');
  });
});
