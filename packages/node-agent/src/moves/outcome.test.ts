import { findCondition } from '@godwit/api';
import type { VirtualMachineInstance, VmiMigrationState } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import type { VmiChange } from '../vmi/write-vmi.ts';
import {
  copyBegins,
  hindered,
  hinderedCondition,
  modeChosen,
  moveCompleted,
  moveFailed,
  portsOf,
  targetListens,
  toldAfterwards,
  undecided,
} from './outcome.ts';
import type { SettledOn } from './outcome.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const state: VmiMigrationState = { migrationUid: 'm', sourceNode: 'n1', targetNode: 'n2' };

function vmi(changes: VmiMigrationState = {}): Pick<VirtualMachineInstance, 'status' | 'metadata'> {
  return {
    metadata: { name: 'a' },
    status: {
      nodeName: 'n1',
      migratedVolumes: [{ volumeName: 'root' }],
      conditions: [
        { type: 'VolumesChange', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
      migrationState: { ...state, ...changes },
    },
  };
}

describe('where the data are after a failure', () => {
  const how = { reason: 'it broke', aborted: false };
  const side = (changes: VmiMigrationState, told: SettledOn | undefined) =>
    moveFailed(vmi(changes), 'm', { ...how, ...(told && { settledOn: told }) }, NOW)?.status?.migrationState?.settledOn;

  it.each<[string, VmiMigrationState, SettledOn | undefined, 'source' | undefined]>([
    ['a copy leaves them on the source', {}, undefined, 'source'],
    ['after post-copy nobody may have everything', { mode: 'PostCopy' }, undefined, undefined],
    ['a target that never ran leaves them, whatever the way', { mode: 'PostCopy' }, 'source', 'source'],
    ['a source that never said that it begins has them', {}, 'source-unless-begun', 'source'],
    [
      'one that may have gone on has them no longer for certain',
      { startTimestamp: 't' },
      'source-unless-begun',
      undefined,
    ],
    ['a guest torn before anybody could say how it went', { mode: 'PreCopy' }, 'nobody', undefined],
  ])('%s', (_, changes, told, wanted) => expect(side(changes, told)).toBe(wanted));
});

describe('an undecided handover', () => {
  const lost = { phase: 'Undecided', undecided: true, message: 'The target does not answer' };
  const fine = { phase: 'Ready', undecided: false };

  it('is told by the side that does not know, and taken back by no other', () => {
    expect(undecided(vmi(), 'target', fine, NOW)).toBeUndefined();
    const told = undecided(vmi(), 'source', lost, NOW)?.status?.conditions;
    expect(findCondition(told, 'HandoverUndecided')).toMatchObject({
      reason: 'TargetUnreachable',
      message: 'The target does not answer (godwit resolve)',
    });
    const current = vmi();
    current.status = { ...current.status, ...(told && { conditions: told }) };
    expect(undecided(current, 'target', fine, NOW)).toBeUndefined();
    expect(undecided(current, 'target', { ...fine, undecided: true }, NOW)).toBeUndefined();
    expect(undecided(current, 'source', lost, NOW)).toBeUndefined();
    expect(
      findCondition(undecided(current, 'source', fine, NOW)?.status?.conditions, 'HandoverUndecided'),
    ).toBeUndefined();
    expect(undecided(vmi(), 'target', { ...fine, undecided: true }, NOW)?.status?.conditions).toContainEqual(
      expect.objectContaining({ reason: 'SourceUnreachable' }),
    );
  });
});

describe('the way that policy chose', () => {
  it('is told once, with the condition of a paused guest, and is over with the move', () => {
    const change = modeChosen(vmi({ mode: 'PreCopy' }), 'm', 'Paused', NOW);
    expect(change?.status?.migrationState).toMatchObject({ mode: 'Paused' });
    expect(findCondition(change?.status?.conditions, 'Paused')).toMatchObject({ reason: 'PausedByMigrationMonitor' });
    const paused = vmi({ mode: 'Paused' });
    paused.status = { ...paused.status, conditions: change?.status?.conditions ?? [] };
    expect(modeChosen(paused, 'm', 'Paused', NOW)).toBeUndefined();
    for (const end of [
      moveFailed(paused, 'm', { reason: 'x', aborted: false }, NOW),
      moveCompleted(paused, 'm', 'n2', NOW),
    ])
      expect(findCondition(end?.status?.conditions, 'Paused')).toBeUndefined();
  });

  it('is nothing while the guest is copied as it runs, or when the record is another', () => {
    expect(modeChosen(vmi(), 'm', undefined, NOW)).toBeUndefined();
    expect(modeChosen(vmi(), 'other', 'Paused', NOW)).toBeUndefined();
    expect(modeChosen(vmi(), 'm', 'PostCopy', NOW)?.status?.conditions).toBeUndefined();
  });
});

describe('what agents write into the record', () => {
  it('a guest that has left its node is evacuated; one whose disks changed in place is not [SLM 5.3 #53]', () => {
    const elsewhere = moveCompleted(vmi(), 'm', 'n2', NOW)?.status ?? {};
    expect('evacuationNodeName' in elsewhere && elsewhere.evacuationNodeName === undefined).toBe(true);
    expect(moveCompleted(vmi({ method: 'InPlace' }), 'm', 'n1', NOW)?.status).not.toHaveProperty('evacuationNodeName');
  });

  it('completion settles everything in the same write [SLM 6.4 #3]', () => {
    const change = moveCompleted(vmi({ targetState: { pod: 'p' } }), 'm', 'n2', NOW);
    expect(change?.status).toMatchObject({ nodeName: 'n2', migratedVolumes: undefined });
    expect(findCondition(change?.status?.conditions, 'VolumesChange')).toBeUndefined();
    expect(change?.status?.migrationState).toMatchObject({
      completed: true,
      endTimestamp: '2026-01-01T00:00:00Z',
      targetNodeDomainDetected: true,
      targetState: { pod: 'p', domainDetected: true },
    });
    expect(change?.labels).toEqual({
      'kubevirt.io/nodeName': 'n2',
      'kubevirt.io/migrationTargetNodeName': undefined,
    });
  });

  it('completion and the claims that volumes are on are seen together [SLM H8]', () => {
    const volumes = [{ volumeName: 'root', destinationPVCInfo: { claimName: 'new' } }];
    const before = vmi({ volumes });
    const on = (name: string, claimName: string) => ({ name, persistentVolumeClaimInfo: { claimName }, size: 1 });
    before.status = { ...before.status, volumeStatus: [on('data', 'data'), on('root', 'old')] };
    const change = moveCompleted(before, 'm', 'n2', NOW);
    expect(change?.status?.volumeStatus).toEqual([on('data', 'data'), on('root', 'new')]);
  });

  it('an abort that came too late is said to have failed', () => {
    expect(moveCompleted(vmi({ abortRequested: true }), 'm', 'n2', NOW)?.status?.migrationState?.abortStatus).toBe(
      'Failed',
    );
  });

  it('failure keeps the volume change: it is still wanted', () => {
    const change = moveFailed(vmi(), 'm', { reason: 'no space', aborted: false }, NOW);
    expect(change?.status?.migrationState).toMatchObject({ failed: true, completed: true, failureReason: 'no space' });
    expect(findCondition(change?.status?.conditions, 'VolumesChange')?.status).toBe('True');
    expect(change?.status).not.toHaveProperty('migratedVolumes');
  });

  it('the first word stands, and other migrations are left alone', () => {
    expect(moveFailed(vmi({ completed: true }), 'm', { reason: 'late', aborted: false }, NOW)).toBeUndefined();
    expect(moveCompleted(vmi({ failed: true }), 'm', 'n2', NOW)).toBeUndefined();
    expect(moveCompleted(vmi(), 'another', 'n2', NOW)).toBeUndefined();
  });

  it('a copy does not begin once it is to be aborted', () => {
    expect(copyBegins(vmi(), 'm', NOW)?.status?.migrationState?.startTimestamp).toBe('2026-01-01T00:00:00Z');
    expect(copyBegins(vmi({ abortRequested: true }), 'm', NOW)).toBeUndefined();
  });

  it('disks that a failed move in place has left on their new volumes are named until a move has succeeded', () => {
    const failed = { reason: 'EIO', aborted: false, moved: ['a'] };
    const moved = (change: VmiChange | undefined) => change?.status?.migrationState?.movedVolumes;
    expect(moved(moveFailed(vmi(), 'm', failed, NOW))).toEqual(['a']);
    expect(moved(moveFailed(vmi({ movedVolumes: ['b'] }), 'm', failed, NOW))).toEqual(['b', 'a']);
    expect(moved(moveFailed(vmi(), 'm', { ...failed, moved: [] }, NOW))).toBeUndefined();
    expect(moved(copyBegins(vmi({ movedVolumes: ['b'] }), 'm', NOW, ['a']))).toEqual(['a']);
    expect(moved(moveCompleted(vmi({ movedVolumes: ['a'] }), 'm', 'n1', NOW))).toBeUndefined();
  });

  it('say which side has the data; a record that anybody else closed does not [SLM H11, H12]', () => {
    const how = { reason: 'QEMU ended', aborted: false };
    const side = (change: VmiChange | undefined) => change?.status?.migrationState?.settledOn;
    expect(side(moveFailed(vmi(), 'm', how, NOW))).toBe('source');
    // Neither side has everything after a post-copy.
    expect(side(moveFailed(vmi({ mode: 'PostCopy' }), 'm', how, NOW))).toBeUndefined();
    const closed = { failed: true, completed: true };
    expect(side(toldAfterwards(vmi(closed), 'm', 'target', []))).toBe('target');
    expect(toldAfterwards(vmi({ ...closed, settledOn: 'target' }), 'm', 'source', [])).toBeUndefined();
  });

  it('they are named even when somebody else has closed the record', () => {
    const closed = vmi({ failed: true, completed: true, failureReason: 'gone' });
    expect(toldAfterwards(closed, 'm', 'source', ['a'])?.status?.migrationState).toMatchObject({
      failureReason: 'gone',
      movedVolumes: ['a'],
      settledOn: 'source',
    });
    expect(toldAfterwards(closed, 'm', undefined, [])).toBeUndefined();
    expect(toldAfterwards(closed, 'another', 'source', ['a'])).toBeUndefined();
    expect(toldAfterwards(vmi({ completed: true }), 'm', 'source', ['a'])).toBeUndefined();
  });

  it('what keeps a migration from ending is a condition until it is overcome, or the migration is over', () => {
    const found = (change: VmiChange | undefined) => findCondition(change?.status?.conditions, hinderedCondition);
    const first = hindered(vmi(), 'source', 'no space', NOW);
    expect(found(first)).toMatchObject({ status: 'True', message: 'no space' });
    const told = vmi();
    told.status = { ...told.status, conditions: first?.status?.conditions ?? [] };
    const change = hindered(told, 'source', undefined, NOW);
    expect(change?.status?.conditions).toBeDefined();
    expect(found(change)).toBeUndefined();
    expect(hindered(told, 'source', 'no space', NOW)).toBeUndefined();
    // The other side neither takes it away nor talks over it.
    expect(hindered(told, 'target', undefined, NOW)).toBeUndefined();
    expect(hindered(told, 'target', 'no space either', NOW)).toBeUndefined();
    expect(found(moveFailed(told, 'm', { reason: 'x', aborted: false }, NOW))).toBeUndefined();
    expect(found(moveCompleted(told, 'm', 'n1', NOW))).toBeUndefined();
  });

  it('published ports read back', () => {
    const ports = { control: 4001, memory: 4002, block: 4003 };
    const at = { address: '127.0.0.1', ports, nodeName: 'n2', podName: 'p' };
    const written = targetListens(vmi(), 'm', at)?.status?.migrationState;
    expect(written?.targetState?.nodeAddress).toBe('127.0.0.1');
    expect(portsOf(written?.targetDirectMigrationNodePorts ?? {})).toEqual(ports);
    expect(portsOf({ '4001': 0 })).toBeUndefined();
  });
});
