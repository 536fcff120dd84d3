import type { Pod, Stored, VirtualMachineInstance, VmiPhase } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { decideLauncher } from './decide.ts';
import { guardPatch, needsGuard } from './guard.ts';
import type { SeenLauncher } from './decide.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

function stored(name: string, kind: string): { apiVersion: string; kind: string; metadata: Stored<Pod>['metadata'] } {
  return {
    apiVersion: 'v1',
    kind,
    metadata: {
      name,
      namespace: 'ns',
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
  };
}

function pod(
  changes: {
    deletedInSeconds?: number;
    phase?: 'Running' | 'Failed';
    target?: boolean;
    grace?: number;
    guarded?: boolean;
  } = {},
): Stored<Pod> {
  const base = stored('virt-launcher-a', 'Pod');
  return {
    ...base,
    metadata: {
      ...base.metadata,
      ...(changes.guarded && { finalizers: ['other.io/x', 'godwit.dev/qemu'] }),
      ...(changes.target && { labels: { 'kubevirt.io/migrationJobUID': 'm' } }),
      ...(changes.deletedInSeconds !== undefined && {
        deletionTimestamp: new Date(NOW + changes.deletedInSeconds * 1000).toISOString(),
        deletionGracePeriodSeconds: changes.grace ?? 30,
      }),
    },
    spec: { nodeName: 'n1', containers: [] },
    ...(changes.phase && { status: { phase: changes.phase } }),
  };
}

function vmi(phase: VmiPhase = 'Scheduled', graceSeconds?: number): Stored<VirtualMachineInstance> {
  return {
    ...stored('a', 'VirtualMachineInstance'),
    spec: {
      domain: { devices: {} },
      ...(graceSeconds !== undefined && { terminationGracePeriodSeconds: graceSeconds }),
    },
    status: { phase },
  };
}

function deletedVmi(graceSeconds?: number): Stored<VirtualMachineInstance> {
  const found = vmi('Running', graceSeconds);
  return { ...found, metadata: { ...found.metadata, deletionTimestamp: new Date(NOW).toISOString() } };
}

const usual: SeenLauncher = {
  pod: pod(),
  vmi: vmi(),
  waiting: undefined,
  machine: undefined,
  launched: false,
  end: undefined,
  migrating: false,
  powerDown: undefined,
};
const waiting = { reason: 'ClaimNotBound', message: 'claim' };
const ended = { outcome: 'shutdown', message: 'bye', atMs: NOW } as const;
const held = { custody: 'agent' } as const;
const pressed = (firstAgoMs: number, lastAgoMs = firstAgoMs) => ({
  firstAtMs: NOW - firstAgoMs,
  lastAtMs: NOW - lastAgoMs,
});
const moving = { custody: 'migration' } as const;

describe('the next step for a launcher pod', () => {
  it.each<[string, Partial<SeenLauncher>, string]>([
    ['everything is there', {}, 'launch'],
    ['a claim is missing', { waiting }, 'wait'],
    ['the VMI is gone', { vmi: undefined }, 'wait'],
    ['a VMI that already runs is never started again', { vmi: vmi('Running') }, 'fail'],
    ['a pod that had a machine never gets a second one', { launched: true }, 'nothing'],
    ['the machine runs', { machine: held, launched: true }, 'report-running'],
    ['a migration has the machine', { machine: moving, launched: true }, 'nothing'],
    ['the machine ended', { end: ended, launched: true }, 'report-end'],
    ['a target pod is prepared, not started', { pod: pod({ target: true }), vmi: vmi('Running') }, 'prepare-target'],
    ['a target pod waits for its volumes', { pod: pod({ target: true }), vmi: vmi('Running'), waiting }, 'wait'],
    ['a finished pod is left alone', { pod: pod({ phase: 'Failed' }), end: ended }, 'nothing'],
    ['a told end lets the pod go', { pod: pod({ phase: 'Failed', guarded: true }), end: ended }, 'unguard'],
    [
      'a pod that others call finished is guarded while its machine runs',
      { pod: pod({ phase: 'Failed', guarded: true }), machine: held, launched: true },
      'nothing',
    ],
    [
      'a pod whose machine nobody has seen end stays guarded',
      { pod: pod({ phase: 'Failed', guarded: true }), launched: true },
      'nothing',
    ],
    ['deletion asks the guest', { pod: pod({ deletedInSeconds: 30 }), machine: held }, 'power-down'],
    [
      'the guest takes its time',
      { pod: pod({ deletedInSeconds: 9 }), machine: held, powerDown: pressed(21_000, 9_000) },
      'await-power-down',
    ],
    [
      'a guest that did not hear it is asked again',
      { pod: pod({ deletedInSeconds: 9 }), machine: held, powerDown: pressed(21_000, 10_000) },
      'power-down',
    ],
    [
      'the pod’s grace is over',
      { pod: pod({ deletedInSeconds: 0 }), machine: held, powerDown: pressed(30_000) },
      'kill',
    ],
    [
      'the guest’s own grace is over',
      { pod: pod({ deletedInSeconds: 15 }), vmi: vmi('Running', 15), machine: held, powerDown: pressed(15_000) },
      'kill',
    ],
    [
      'the guest’s own grace begins when it can be asked: here, after its migration has ended',
      { pod: pod({ deletedInSeconds: 15 }), vmi: vmi('Running', 15), machine: held, powerDown: pressed(20_000, NOW) },
      'power-down',
    ],
    ['deletion without grace', { pod: pod({ deletedInSeconds: 0, grace: 0 }), machine: held }, 'kill'],
    [
      'deletion in the middle of a migration',
      { pod: pod({ deletedInSeconds: 0 }), machine: moving },
      'abort-migration',
    ],
    [
      'deletion of a target that has no QEMU yet',
      { pod: pod({ deletedInSeconds: 30 }), migrating: true },
      'abort-migration',
    ],
    [
      'a deleted pod tells its end first',
      { pod: pod({ deletedInSeconds: 0, phase: 'Running' }), end: ended },
      'report-end',
    ],
    ['a deleted pod without a machine goes', { pod: pod({ deletedInSeconds: 30 }) }, 'remove'],
    [
      'a deleted pod whose end is told goes',
      { pod: pod({ deletedInSeconds: 30, phase: 'Failed' }), end: ended },
      'remove',
    ],
  ])('%s', (_, changes, wanted) => expect(decideLauncher({ ...usual, ...changes }, NOW).do).toBe(wanted));
});

describe('a pod that is deleted in the middle of a migration takes its guest along', () => {
  it.each<[string, Partial<SeenLauncher>, 'ask' | 'force' | undefined]>([
    [
      'not while its VMI lives: it has another pod',
      { pod: pod({ deletedInSeconds: -5 }), vmi: vmi('Running') },
      undefined,
    ],
    ['with its VMI, gently', { pod: pod({ deletedInSeconds: 9 }), vmi: deletedVmi() }, 'ask'],
    ['after the grace of the pod by force', { pod: pod({ deletedInSeconds: 0 }), vmi: deletedVmi() }, 'force'],
    [
      'after its own grace by force',
      { pod: pod({ deletedInSeconds: 9 }), vmi: deletedVmi(1), powerDown: { firstAtMs: NOW - 2000, lastAtMs: 0 } },
      'force',
    ],
  ])('%s', (_, changes, guest) =>
    expect(decideLauncher({ ...usual, migrating: true, ...changes }, NOW)).toEqual({
      do: 'abort-migration',
      ...(guest !== undefined && { guest }),
      ...(guest === 'ask' && { press: true }),
    }),
  );
});

describe('a QEMU that does not let itself be adopted', () => {
  it.each<[string, Partial<SeenLauncher>, string]>([
    ['is told of, and gets no second one beside it', {}, 'report-silent'],
    ['is told of for a VMI that ran', { launched: true, vmi: vmi('Running') }, 'report-silent'],
    ['has the time of its guest to answer', { launched: true, pod: pod({ deletedInSeconds: 9 }) }, 'await-answer'],
    ['is killed when that is over, and keeps its pod till then', { pod: pod({ deletedInSeconds: -1 }) }, 'kill'],
    [
      'is killed when the guest’s own time is over',
      { pod: pod({ deletedInSeconds: 9 }), vmi: vmi('Running', 1), powerDown: pressed(2000) },
      'kill',
    ],
    ['is killed at once when its pod is deleted by force', { pod: pod({ deletedInSeconds: 0, grace: 0 }) }, 'kill'],
    ['counts no more once it is held', { machine: held, launched: true }, 'report-running'],
    ['is left to its migration', { migrating: true }, 'nothing'],
    ['has its migration ended first', { migrating: true, pod: pod({ deletedInSeconds: 9 }) }, 'abort-migration'],
    [
      'is left to a migration whose VMI lives: the guest may be elsewhere',
      { migrating: true, pod: pod({ deletedInSeconds: -60 }), vmi: vmi('Running') },
      'abort-migration',
    ],
    [
      'has its guest’s time also in a migration, when the VMI is deleted',
      { migrating: true, pod: pod({ deletedInSeconds: 9 }), vmi: deletedVmi() },
      'abort-migration',
    ],
    [
      'is killed in a migration, too, when that is over',
      { migrating: true, pod: pod({ deletedInSeconds: 0 }), vmi: deletedVmi() },
      'kill',
    ],
  ])('%s', (_, changes, wanted) => {
    expect(decideLauncher({ ...usual, silent: 'It hangs', ...changes }, NOW).do).toBe(wanted);
  });
});

describe('a migration that cannot be read', () => {
  const unreadable = { migrating: true, unreadable: true, pod: pod({ deletedInSeconds: -1 }) };
  it.each<[string, Partial<SeenLauncher>, string]>([
    ['has its QEMU killed first', { silent: 'It cannot be read' }, 'kill'],
    ['lets its pod tell the end of that', { end: ended }, 'report-end'],
    ['goes with its pod', { end: ended, pod: pod({ deletedInSeconds: -1, phase: 'Failed' }) }, 'remove'],
    ['goes with its pod, whose VMI is gone', { end: ended, vmi: undefined }, 'report-end'],
    ['stays as long as its VMI lives', { end: ended, vmi: vmi('Running') }, 'abort-migration'],
    ['stays as long as a QEMU may live', {}, 'abort-migration'],
    ['stays as long as it might be read', { end: ended, unreadable: false }, 'abort-migration'],
  ])('%s', (_, changes, wanted) => {
    expect(decideLauncher({ ...usual, vmi: deletedVmi(), ...unreadable, ...changes }, NOW).do).toBe(wanted);
  });
});

describe('the finalizer of a launcher pod', () => {
  it.each<[string, Partial<SeenLauncher>, boolean]>([
    ['is set before QEMU starts', {}, true],
    ['is set before a target is prepared', { pod: pod({ target: true }), vmi: vmi('Running') }, true],
    ['is set for a machine that runs without', { machine: held, launched: true }, true],
    ['is set for a machine in the hands of a migration', { machine: moving, launched: true }, true],
    ['is set once', { pod: pod({ guarded: true }) }, false],
    ['is not needed while claims are missing', { waiting }, false],
    ['cannot be set any more on a deleted pod', { pod: pod({ deletedInSeconds: 9 }), machine: held }, false],
    ['is not set again on a finished pod', { pod: pod({ phase: 'Failed' }), end: ended }, false],
  ])('%s', (_, changes, wanted) => {
    const seen = { ...usual, ...changes };
    expect(needsGuard(seen, decideLauncher(seen, NOW))).toBe(wanted);
  });

  it('leaves those of others alone', () => {
    expect(guardPatch(pod(), true)).toEqual([
      { op: 'test', path: '/metadata/uid', value: 'uid-virt-launcher-a' },
      { op: 'add', path: '/metadata/finalizers', value: ['godwit.dev/qemu'] },
    ]);
    expect(guardPatch(pod({ guarded: true }), false)).toEqual([
      { op: 'test', path: '/metadata/uid', value: 'uid-virt-launcher-a' },
      { op: 'test', path: '/metadata/finalizers', value: ['other.io/x', 'godwit.dev/qemu'] },
      { op: 'add', path: '/metadata/finalizers', value: ['other.io/x'] },
    ]);
  });
});
