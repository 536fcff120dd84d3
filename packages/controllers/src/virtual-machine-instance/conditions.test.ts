import { findCondition } from '@godwit/api';
import type { Condition } from '@godwit/api';
import { expect, it } from 'vitest';
import { storedPod, storedVmi } from '../virt/testing/objects.ts';
import { decideConditions } from './conditions.ts';
import type { ConditionFacts } from './conditions.ts';
import { decidePhase } from './phase.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

function decided(facts: Pick<ConditionFacts, 'vmi' | 'verdict' | 'pod'>): (type: string) => Condition | undefined {
  const conditions = decideConditions({ ...facts, volumes: [], start: { start: true } }, NOW);
  return (type) => findCondition(conditions, type);
}

it('a guest that its node cannot start says why, until it can', () => {
  const pod = storedPod('source', { node: 'n1', phase: 'Pending' });
  pod.status = { phase: 'Pending', reason: 'ErrImagePull', message: 'image x is not in the local catalogue' };
  const vmi = storedVmi({ phase: 'Scheduled' });
  const verdict = decidePhase({ vmi, pods: [pod] });
  const held = decided({ vmi, verdict, pod });
  expect(held('Synchronized')).toMatchObject({ status: 'False', reason: 'ErrImagePull', message: pod.status.message });
  expect(held('Ready')).toMatchObject({ status: 'False', reason: 'GuestNotRunning', message: pod.status.message });
  const synchronized = held('Synchronized');
  vmi.status = { ...vmi.status, phase: 'Running', nodeName: 'n1', conditions: synchronized ? [synchronized] : [] };
  expect(decided({ vmi, verdict: { phase: 'Running' }, pod: undefined })('Synchronized')?.status).toBe('True');
});
