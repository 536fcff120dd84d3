import { expect, it } from 'vitest';
import { node } from '../testing/objects.ts';
import { decideNode, GRACE_MS, noteLease } from './decide.ts';

const seen = { renewTime: 'a', seenAt: 1_000 };

it.each([
  ['fresh', node('n'), 1_000, 'wait'],
  ['just within its grace', node('n'), 1_000 + GRACE_MS, 'wait'],
  ['silent', node('n'), 1_001 + GRACE_MS, 'mark-unknown'],
])('a node that is %s', (_, of, now, plan) => expect(decideNode(of, seen, now).do).toBe(plan));

it('marks a node once', () => {
  const plan = decideNode(node('n'), seen, 100_000);
  if (plan.do !== 'mark-unknown') throw new Error('not marked');
  expect(plan.conditions[0]).toMatchObject({ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' });
  const marked = { ...node('n'), status: { conditions: [...plan.conditions] } };
  expect(decideNode(marked, seen, 100_000).do).toBe('wait');
});

it('counts from when it saw the lease move, whatever time the lease says', () => {
  expect(noteLease(seen, 'a', 50_000)).toBe(seen);
  expect(noteLease(seen, 'b', 50_000)).toEqual({ renewTime: 'b', seenAt: 50_000 });
});
