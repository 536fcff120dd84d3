import type {
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
  VmimPhase,
} from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { decideLeftover, decideMove, isExpected } from './decide.ts';
import type { SeenExecutor, SeenMove } from './decide.ts';

const meta = { namespace: 'ns', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
const migration: Stored<VirtualMachineInstanceMigration> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstanceMigration',
  metadata: { ...meta, name: 'm', uid: 'm-uid' },
  spec: { vmiName: 'a' },
};

function vmi(state: VmiMigrationState | undefined, targetNode = 'n2'): Stored<VirtualMachineInstance> {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { ...meta, name: 'a', uid: 'a-uid', labels: { 'kubevirt.io/migrationTargetNodeName': targetNode } },
    spec: { domain: { devices: {} } },
    status: { phase: 'Running', ...(state && { migrationState: state }) },
  };
}

const handed: VmiMigrationState = {
  migrationUid: 'm-uid',
  sourceNode: 'n1',
  sourcePod: 'p1',
  targetNode: 'n2',
  targetPod: 'p2',
};
const ready: VmiMigrationState = {
  ...handed,
  targetNodeAddress: '127.0.0.1',
  targetDirectMigrationNodePorts: { '4000': 0 },
};
const source = { nodeName: 'n1', holdsSource: true, holdsTarget: false, migration, executors: [] };
const target = { nodeName: 'n2', holdsSource: false, holdsTarget: true, migration, executors: [] };
const executor = (role: SeenExecutor['role'], state: SeenExecutor['state'] = 'running'): SeenExecutor[] => [
  { migrationUid: 'm-uid', role, state },
];

describe('what a node does for a migration', () => {
  it.each<[string, SeenMove, string]>([
    ['no record', { ...source, vmi: vmi(undefined) }, 'nothing'],
    ['the source makes ready while the target does', { ...source, vmi: vmi(handed) }, 'prepare-source'],
    ['the target begins at hand-off', { ...target, vmi: vmi(handed) }, 'start-target'],
    ['the target waits for its pod', { ...target, holdsTarget: false, vmi: vmi(handed) }, 'nothing'],
    ['a node that is not named does nothing', { ...target, nodeName: 'n3', vmi: vmi(handed) }, 'nothing'],
    ['the source begins when the target is ready', { ...source, vmi: vmi(ready) }, 'start-source'],
    [
      'an earlier move of the guest has to end first',
      { ...source, vmi: vmi(ready), executors: [{ migrationUid: 'earlier', role: 'source', state: 'running' }] },
      'nothing',
    ],
    [
      'one that has ended is no obstacle',
      { ...source, vmi: vmi(ready), executors: [{ migrationUid: 'earlier', role: 'source', state: 'ended' }] },
      'start-source',
    ],
    ['in place needs no target', { ...source, vmi: vmi({ ...handed, method: 'InPlace' }, 'n1') }, 'start-in-place'],
    [
      'the same node name in the other cluster is not the source',
      { ...target, nodeName: 'n1', vmi: vmi({ ...handed, targetNode: 'n1' }, 'n1') },
      'start-target',
    ],
    [
      'a source that lost its executor does not begin again',
      { ...source, vmi: vmi({ ...ready, startTimestamp: 't' }) },
      'close-failed',
    ],
    ['a target that lost its listener does not pretend', { ...target, vmi: vmi(ready) }, 'close-failed'],
    ['an abort before the beginning', { ...source, vmi: vmi({ ...ready, abortRequested: true }) }, 'close-failed'],
    [
      'an abort of a running copy',
      { ...source, vmi: vmi({ ...ready, abortRequested: true }), executors: executor('source') },
      'abort',
    ],
    [
      'an abort that was passed on',
      {
        ...source,
        vmi: vmi({ ...ready, abortRequested: true, abortStatus: 'Aborting' }),
        executors: executor('source'),
      },
      'nothing',
    ],
    [
      'an abort that an earlier agent has passed on',
      {
        ...source,
        vmi: vmi({ ...ready, abortRequested: true, abortStatus: 'Aborting' }),
        executors: [{ migrationUid: 'm-uid', role: 'source', state: 'running', aborting: false }],
      },
      'abort',
    ],
    [
      'aborts are the source’s business',
      { ...target, vmi: vmi({ ...ready, abortRequested: true }), executors: executor('target') },
      'nothing',
    ],
    [
      'the controller gave up on the target',
      { ...target, vmi: vmi({ ...handed, failed: true }), executors: executor('target') },
      'stop',
    ],
    ['an ended executor is reported', { ...source, vmi: vmi(ready), executors: executor('source', 'ended') }, 'report'],
    [
      'a reported one is forgotten',
      { ...source, vmi: vmi({ ...ready, completed: true }), executors: executor('source', 'ended') },
      'forget',
    ],
    ['a finished record starts nothing', { ...source, vmi: vmi({ ...ready, completed: true }) }, 'nothing'],
  ])('%s', (_, seen, wanted) => expect(decideMove(seen).do).toBe(wanted));
});

describe('a target that has nothing left of a migration', () => {
  const settledOn = (seen: Partial<SeenMove>) => {
    const plan = decideMove({ ...target, vmi: vmi(ready), ...seen });
    return plan.do === 'close-failed' ? plan.settledOn : plan.do;
  };

  it('knows that the source has everything as long as the source has not begun, which its own cluster records only', () => {
    expect(settledOn({})).toBe('source-unless-begun');
    const receiving = { ...migration, spec: { vmiName: 'a', receive: { migrationID: 'x' } } };
    expect(settledOn({ migration: receiving })).toBe('nobody');
    expect(settledOn({ migration: undefined })).toBe('nobody');
  });
});

describe('a side that cannot ask the other any more', () => {
  const asSource = (state: VmiMigrationState) =>
    decideMove({ ...source, vmi: vmi({ ...ready, ...state }), executors: executor('source') });

  it('lets the guest go when the record says that the target has it', () => {
    expect(asSource({ completed: true })).toEqual({ do: 'let-go', role: 'source' });
    expect(decideMove({ ...target, vmi: vmi({ ...ready, completed: true }), executors: executor('target') }).do).toBe(
      'nothing',
    );
  });

  it('has the guest back when an agent has recorded that it stays', () => {
    expect(asSource({ completed: true, failed: true, settledOn: 'source' })).toMatchObject({ targetGaveUp: true });
    // A controller that closes a record knows nothing of the guest.
    expect(asSource({ completed: true, failed: true })).toMatchObject({ do: 'stop', targetGaveUp: false });
  });

  it('lets the guest go when an agent has said so of a record that was closed as failed', () => {
    expect(asSource({ completed: true, failed: true, settledOn: 'target' })).toEqual({ do: 'let-go', role: 'source' });
    const running = { migrationUid: 'm-uid', role: 'source', state: 'running' } as const;
    expect(decideLeftover(running, { ...ready, failed: true, settledOn: 'target' }).do).toBe('let-go');
    const asTarget = {
      ...target,
      vmi: vmi({ ...ready, failed: true, settledOn: 'target' }),
      executors: executor('target'),
    };
    expect(decideMove(asTarget).do).toBe('stop');
  });

  it('finds the same in the migration itself once the VMI tells of another', () => {
    const running = { migrationUid: 'm-uid', role: 'source', state: 'running' } as const;
    expect(decideLeftover(running, { ...ready, completed: true }).do).toBe('let-go');
    expect(decideLeftover(running, { ...ready, failed: true, settledOn: 'source' })).toMatchObject({
      do: 'stop',
      targetGaveUp: true,
    });
    expect(decideLeftover(running, ready)).toEqual({ do: 'stop', role: 'source', targetGaveUp: false });
    expect(decideLeftover(running, undefined)).toEqual({ do: 'stop', role: 'source', targetGaveUp: false });
    expect(decideLeftover({ ...running, state: 'ended' }, undefined).do).toBe('forget');
  });
});

describe('what a node makes ready for', () => {
  const inPhase = (phase: VmimPhase, method?: 'InPlace') => ({
    status: { phase, ...(method && { migrationState: { method } }) },
  });
  it.each<[string, Parameters<typeof isExpected>, boolean]>([
    ['a migration that is being placed', [[inPhase('Succeeded'), inPhase('Scheduling')], true], true],
    ['not one of a guest elsewhere', [[inPhase('Scheduling')], false], false],
    ['not one in place', [[inPhase('Scheduling', 'InPlace')], true], false],
    ['not one that waits for a slot', [[inPhase('Pending')], true], false],
    ['not one that is over', [[inPhase('Failed')], true], false],
  ])('%s', (_, seen, wanted) => expect(isExpected(...seen)).toBe(wanted));
});
