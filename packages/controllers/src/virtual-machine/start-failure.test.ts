import { findCondition } from '@godwit/api';
import { expect, it } from 'vitest';
import { storedVm, storedVmi } from '../virt/testing/objects.ts';
import { decideMachine } from './decide.ts';
import type { SeenMachine } from './seen.ts';

const claim = () => ({ pvc: undefined, pv: undefined, storageClass: undefined });
const around: Omit<SeenMachine, 'vm' | 'vmi'> = {
  nameTaken: false,
  activeMigrations: [],
  pvc: () => undefined,
  dataVolume: () => undefined,
  claim,
  usersOf: () => [],
  readyNodes: () => [],
  reachableInPlace: () => false,
  liveUpdate: true,
};
const message = 'QEMU ended with status 1: unable to find CPU model Foo';

it('a VM that cannot start keeps the reason until a guest of it runs', () => {
  const vm = storedVm({ runStrategy: 'Always' });
  const ready = { type: 'Ready', status: 'False', reason: 'StartFailed', message } as const;
  const ended = storedVmi({ phase: 'Failed', conditions: [ready] });
  const first = decideMachine({ ...around, vm, vmi: ended }, 0);
  const failure = (plan: typeof first) => findCondition(plan.next.status?.conditions, 'Failure');
  const told = (plan: typeof first) => plan.events.filter(({ reason }) => reason === 'StartFailed');
  expect(failure(first)).toMatchObject({ status: 'True', reason: 'StartFailed', message });
  expect(told(first)).toEqual([expect.objectContaining({ message: expect.stringContaining(message) })]);
  const gone = decideMachine({ ...around, vm: first.next, vmi: undefined }, 0);
  expect(failure(gone)).toMatchObject({ message });
  expect(told(gone)).toEqual([]);
  const again = storedVmi({ phase: 'Scheduling' }, { uid: 'second' });
  const next = decideMachine({ ...around, vm: gone.next, vmi: again }, 0);
  expect(failure(next)).toMatchObject({ message });
  const runs = storedVmi({ phase: 'Running' }, { uid: 'second' });
  expect(failure(decideMachine({ ...around, vm: next.next, vmi: runs }, 0))).toBeUndefined();
});
