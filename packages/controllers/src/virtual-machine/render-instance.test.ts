import { expect, it } from 'vitest';
import { storedVm } from '../virt/testing/objects.ts';
import { renderInstance } from './render-instance.ts';
import { startedFrom } from './restart-required.ts';

it.each([
  ['as it is', [], undefined],
  ['on request', [{ action: 'Start' }], undefined],
  ['paused, on request', [{ action: 'Start', data: { paused: 'true' } }], 'Paused'],
  ['paused, after a stop', [{ action: 'Stop' }, { action: 'Start', data: { paused: 'true' } }], 'Paused'],
] as const)('a VM is started %s', (_, stateChangeRequests, startStrategy) => {
  const requests = stateChangeRequests.map((request) => ({ ...request }));
  const vmi = renderInstance(storedVm({}, { stateChangeRequests: requests }), false);
  expect(vmi.spec.startStrategy).toBe(startStrategy);
  // It is no change of the template.
  expect(startedFrom(vmi)?.startStrategy).toBeUndefined();
});

it('a receiver is not paused: the guest arrives as it is', () => {
  const asked = storedVm({}, { stateChangeRequests: [{ action: 'Start', data: { paused: 'true' } }] });
  expect(renderInstance(asked, true).spec.startStrategy).toBeUndefined();
});
