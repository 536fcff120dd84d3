import { describe, expect, it } from 'vitest';
import { storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { decideUnsetAcross } from './cross-cluster.ts';
import { defaultTimeouts } from './seen.ts';
import type { Instance, SeenMigration } from './seen.ts';

const sendTo = { migrationID: 'shared', connectURL: '192.0.2.1:9185' };

function seen(vmi: Instance): SeenMigration {
  return {
    migration: storedMigration('m', { spec: { sendTo } }),
    vmi,
    rivals: [],
    finished: [],
    pods: [],
    targetPod: undefined,
    sourceNode: undefined,
    configuration: {},
    policyName: undefined,
    node: () => undefined,
    candidates: () => ({ fitting: [], why: '' }),
    claim: () => {
      throw new Error('no claim is looked at before the peer is known');
    },
    admission: () => ({ admitted: true }),
    synchronizationAddresses: [],
    timeouts: defaultTimeouts,
  };
}

describe('the first phase of a move between clusters', () => {
  it('introduces this side, in place of an earlier, finished record', () => {
    const old = { migrationUid: 'uid-earlier', completed: true, targetNode: 'n9' };
    const step = decideUnsetAcross(seen(storedVmi({ phase: 'Running', migrationState: old })));
    expect(step).toMatchObject({ go: 'enter', phase: 'Synchronizing' });
    expect(step.vmi?.status?.migrationState).toEqual({
      sourceState: expect.objectContaining({ migrationUID: 'uid-m' }),
      targetState: { syncAddress: sendTo.connectURL },
    });
  });

  it('keeps what a quick peer answered before the phase was written', () => {
    const record = { sourceState: { migrationUID: 'uid-m' }, targetState: { migrationUID: 'uid-of-the-peer' } };
    const step = decideUnsetAcross(seen(storedVmi({ phase: 'Running', migrationState: record })));
    expect(step).toMatchObject({ go: 'enter', phase: 'Synchronizing' });
    expect(step.vmi).toBeUndefined();
  });
});
