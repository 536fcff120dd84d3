import { expect, it } from 'vitest';
import { claim, volume } from '../../testing/objects.ts';
import { decideVolume } from './decide.ts';

const ref = { namespace: 'default', name: 'c', uid: 'uid-c' };
const byHand = { namespace: 'default', name: 'c' };
const mine = claim('c', { volumeName: 'v' });
const leaving = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };

it.each([
  ['free', volume('v'), undefined, 'Available', false],
  ['bound', volume('v', { claimRef: ref }), mine, 'Bound', false],
  ['its claim is gone', volume('v', { claimRef: ref }), undefined, 'Released', false],
  ['its claim was replaced by a namesake', volume('v', { claimRef: { ...ref, uid: 'old' } }), mine, 'Released', false],
  ['its claim took another volume', volume('v', { claimRef: ref }), claim('c', { volumeName: 'w' }), 'Released', false],
  ['kept by hand for a claim to come', volume('v', { claimRef: byHand }), undefined, 'Available', false],
  ['not made yet', volume('v', { claimRef: ref }, { 'godwit.dev/provisioned': 'false' }), claim('c'), undefined, false],
  [
    'made, not yet bound',
    volume('v', { claimRef: ref }, { 'godwit.dev/provisioned': 'true' }),
    claim('c'),
    'Available',
    false,
  ],
  ['deleted while bound', volume('v', { claimRef: ref }, {}, leaving), mine, 'Bound', false],
  ['deleted and unused', volume('v', { claimRef: ref }, {}, leaving), undefined, 'Released', true],
])('volume: %s', (_, seen, owner, phase, removeProtection) => {
  const plan = decideVolume(seen, owner);
  expect([plan.status.phase, plan.removeProtection]).toEqual([phase, removeProtection]);
});
