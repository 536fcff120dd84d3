import { findCondition } from '@godwit/api';
import { expect, it } from 'vitest';
import { storedVm, storedVmi } from '../virt/testing/objects.ts';
import { decideVmConditions } from './conditions.ts';

it.each([
  [false, 'True', undefined],
  [true, 'False', 'PodTerminating'],
])('a VM is ready as its guest is, unless that is being ended: %s', (stopping, status, reason) => {
  const vmi = storedVmi({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
  const record = { migratedVolumes: undefined, manualRecovery: 'unchanged' as const };
  const facts = { vm: storedVm(), vmi, stopping, record, failure: undefined, restartRequired: undefined };
  const ready = findCondition(decideVmConditions(facts, 0), 'Ready');
  expect(ready?.status).toBe(status);
  expect(ready?.reason).toBe(reason);
});
