import { copyMarks } from '@godwit/api';
import type { PersistentVolumeClaim } from '@godwit/api';
import { expect, it } from 'vitest';
import { decideCopy } from './decide.ts';

const order = { [copyMarks.source]: 'old', [copyMarks.id]: '1', [copyMarks.node]: 'n1' };
const report = (phase: string, id = '1') => ({ [copyMarks.reportId]: id, [copyMarks.phase]: phase });

function claim(annotations: Record<string, string>, deleted = false): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'new', annotations, ...(deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
    spec: {},
  };
}

it.each<[string, PersistentVolumeClaim, string]>([
  ['a claim without marks', claim({}), 'nothing'],
  ['a new order', claim(order), 'claim'],
  ['an order for another node', claim({ ...order, [copyMarks.node]: 'n2' }), 'nothing'],
  ['an order after the report of an earlier one', claim({ ...order, ...report('Failed', '0') }), 'claim'],
  ['begun, perhaps by an agent that is gone', claim({ ...order, ...report('Running') }), 'work'],
  ['told that it is done', claim({ ...order, ...report('Succeeded') }), 'nothing'],
  ['told that it failed', claim({ ...order, ...report('Failed') }), 'nothing'],
  ['taken back', claim({ [copyMarks.id]: '1', [copyMarks.node]: 'n1', ...report('Running') }), 'clear'],
  ['the claim goes', claim(order, true), 'nothing'],
  ['the claim goes in the middle of it', claim({ ...order, ...report('Running') }, true), 'nothing'],
  [
    'taken back of a claim that goes, and waits for that',
    claim({ [copyMarks.id]: '1', [copyMarks.node]: 'n1', ...report('Running') }, true),
    'clear',
  ],
])('%s', (_, pvc, wanted) => expect(decideCopy(pvc, 'n1').do).toBe(wanted));
