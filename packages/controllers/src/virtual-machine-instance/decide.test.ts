import { expect, it } from 'vitest';
import { storedPod, storedVmi } from '../virt/testing/objects.ts';
import { decideInstance } from './decide.ts';

it('starts no guest while a pod of an earlier VMI of its name may run one', () => {
  const seen = { vmi: storedVmi({ phase: 'Pending' }), pods: [], volumes: [] };
  expect(decideInstance(seen, 0).createPod).toBeDefined();
  const waiting = decideInstance({ ...seen, predecessor: storedPod('old', { node: 'n1' }) }, 0);
  expect(waiting.createPod).toBeUndefined();
  expect(waiting.next.status?.conditions).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('pod old') }),
  );
});
