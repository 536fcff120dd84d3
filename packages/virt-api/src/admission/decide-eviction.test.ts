import type { Condition, EvictionStrategy, Pod, VirtualMachineInstance } from '@godwit/api';
import { names } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { decideEviction } from './decide-eviction.ts';
import type { EvictionVerdict } from './decide-eviction.ts';

type Status = NonNullable<VirtualMachineInstance['status']>;

function pod(changes: { node?: string; phase?: 'Running' | 'Succeeded' | 'Failed'; deleted?: boolean } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'virt-launcher-vm',
      labels: { [names.appLabel]: 'virt-launcher' },
      ...(changes.deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { containers: [], nodeName: changes.node ?? 'n1' },
    status: { phase: changes.phase ?? 'Running' },
  };
}

const yes: Condition = { type: 'LiveMigratable', status: 'True' };
const no: Condition = { type: 'LiveMigratable', status: 'False', reason: 'DisksNotLiveMigratable', message: 'root' };

function guest(status: Status = {}, conditions: readonly Condition[] = [yes]): VirtualMachineInstance {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'ns' },
    spec: { domain: { devices: {} } },
    status: { phase: 'Running', nodeName: 'n1', conditions: [...conditions], ...status },
  };
}

function judge(vmi: VirtualMachineInstance | undefined, strategy?: EvictionStrategy, of = pod()): EvictionVerdict {
  return decideEviction({ pod: of, vmi, strategy });
}

type Outcome = 'goes' | 'is moved' | 'stays' | 'stays for the moment';
function outcome(verdict: EvictionVerdict): Outcome {
  if (verdict.do === 'allow') return 'goes';
  if (verdict.do === 'mark') return 'is moved';
  return verdict.retryAfterSeconds === undefined ? 'stays' : 'stays for the moment';
}

const underway: Status = { migrationState: { migrationUid: 'm' } };
const over: Status = { migrationState: { migrationUid: 'm', completed: true } };
const starting: Status = { phase: 'Scheduled' };

describe('the eviction of a launcher pod', () => {
  it.each<[EvictionStrategy | undefined, string, Status, Condition[], Outcome]>([
    ['LiveMigrate', 'can be moved', {}, [yes], 'is moved'],
    ['LiveMigrate', 'cannot be moved', {}, [no], 'stays'],
    ['LiveMigrate', 'is not looked at yet', {}, [], 'stays for the moment'],
    ['LiveMigrate', 'is starting', starting, [], 'stays for the moment'],
    ['LiveMigrate', 'is being moved', underway, [yes], 'is moved'],
    ['LiveMigrateIfPossible', 'can be moved', {}, [yes], 'is moved'],
    ['LiveMigrateIfPossible', 'cannot be moved', {}, [no], 'goes'],
    ['LiveMigrateIfPossible', 'cannot be moved, after a move of its disks', over, [no], 'goes'],
    ['LiveMigrateIfPossible', 'is being given other disks where it is', underway, [no], 'stays for the moment'],
    ['LiveMigrateIfPossible', 'is not looked at yet', {}, [], 'stays for the moment'],
    ['LiveMigrateIfPossible', 'is starting', starting, [], 'goes'],
    ['External', 'can be moved', {}, [yes], 'is moved'],
    ['External', 'cannot be moved', {}, [no], 'is moved'],
    ['None', 'can be moved', {}, [yes], 'goes'],
    [undefined, 'can be moved', {}, [yes], 'goes'],
  ])('%s: a guest that %s [SLM 5.3 #51 #52]', (strategy, _, status, conditions, expected) => {
    expect(outcome(judge(guest(status, conditions), strategy))).toBe(expected);
  });

  it('of a guest that is shut down for want of a strategy, or of a way, tells so', () => {
    expect(judge(guest())).toMatchObject({ warning: expect.stringContaining('spec.evictionStrategy') as string });
    expect(judge(guest({}, [no]), 'LiveMigrateIfPossible')).toMatchObject({
      warning: expect.stringContaining('DisksNotLiveMigratable: root') as string,
    });
    expect(judge(guest(), 'None')).toEqual({ do: 'allow' });
  });

  it('says what deschedulers look for, asks no second time, and tells how far it is [SLM 5.3 #51]', () => {
    const words = 'Eviction triggered evacuation of VMI "ns/vm"';
    expect(judge(guest(), 'LiveMigrate')).toMatchObject({ do: 'mark', message: words });
    const state: Condition = { type: 'EvictionRequested', status: 'True', message: 'tries again' };
    expect(judge(guest({ evacuationNodeName: 'n1' }, [yes, state]), 'LiveMigrate')).toEqual({
      do: 'deny',
      message: `Evacuation in progress: ${words}: tries again`,
      retryAfterSeconds: 2,
    });
    expect(judge(guest({ evacuationNodeName: 'n0' }), 'LiveMigrate')).toMatchObject({ do: 'mark' });
    const vmi = guest({ evacuationNodeName: 'n1' });
    expect(decideEviction({ pod: pod(), vmi, strategy: 'External', waitsFor: 'no node has room' })).toMatchObject({
      message: `Evacuation in progress: ${words}: no node has room`,
    });
  });

  it('says that an evacuation was given up, and why [SLM 5.3 #53]', () => {
    const failed: Condition = { type: 'EvacuationFailed', status: 'True', message: '5 migrations failed' };
    const verdict = judge(guest({ evacuationNodeName: 'n1' }, [yes, failed]), 'LiveMigrate');
    expect(outcome(verdict)).toBe('stays');
    expect(verdict).toMatchObject({
      message: expect.stringMatching(/Evacuation failed.*5 migrations failed/) as string,
    });
  });

  it.each(['LiveMigrate', 'LiveMigrateIfPossible', 'External', 'None', undefined] as const)(
    'never takes the target of a move away, nor a side that may have the guest (%s)',
    (strategy) => {
      expect(outcome(judge(guest(underway), strategy, pod({ node: 'n2' })))).toBe('stays for the moment');
      const arriving = guest({ ...underway, phase: 'Scheduled' });
      delete arriving.status?.nodeName;
      expect(outcome(judge(arriving, strategy))).toBe('stays for the moment');
      const undecided: Condition = { type: 'HandoverUndecided', status: 'True', message: 'n2 is silent' };
      expect(outcome(judge(guest(underway, [yes, undecided]), strategy))).toBe('stays');
    },
  );

  it.each<[string, VirtualMachineInstance | undefined, Pod]>([
    ['has ended', guest(), pod({ phase: 'Succeeded' })],
    ['is being deleted', guest(), pod({ deleted: true })],
    ['has no guest', undefined, pod()],
    ['has a guest that has ended', guest({ phase: 'Failed' }), pod()],
    ['is no launcher', guest(), { ...pod(), metadata: { name: 'web' } }],
  ])('is nothing special when the pod %s', (_, vmi, of) => {
    expect(judge(vmi, 'LiveMigrate', of)).toEqual({ do: 'allow' });
  });
});
