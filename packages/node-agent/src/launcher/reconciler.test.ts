import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyOf, names } from '@godwit/api';
import type { Pod, Stored, VirtualMachineInstance } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import type { Machine, RunState } from '@godwit/hypervisor';
import { fakeClock } from '@godwit/reconcile/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machinesIn } from '../../test/machines-in.ts';
import { unknownMachine } from '../moves/settle.ts';
import { createLauncherReconciler } from './reconciler.ts';
import type { LauncherIo, LauncherOptions } from './reconciler.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const deleted = { resourceVersion: '1', creationTimestamp: '', deletionTimestamp: new Date(NOW).toISOString() };
const vmi: Stored<VirtualMachineInstance> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstance',
  metadata: { ...deleted, name: 'vm', namespace: 'ns', uid: 'v' },
  spec: { domain: { devices: {} } },
  status: { phase: 'Running' },
};
const pod: Stored<Pod> = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    ...deleted,
    deletionTimestamp: new Date(NOW + 60_000).toISOString(),
    deletionGracePeriodSeconds: 60,
    name: 'pod',
    namespace: 'ns',
    uid: 'u',
    labels: { [names.appLabel]: 'virt-launcher', [names.createdByLabel]: 'v' },
    annotations: { [names.domainAnnotation]: 'vm' },
  },
  spec: { nodeName: 'n1', containers: [] },
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'node-agent-launcher-'));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('a guest whose VMI is deleted while it moves', () => {
  function create(state: RunState, isSource = true) {
    const clock = fakeClock(NOW);
    const done: string[] = [];
    // The casts are safe: nothing else of them is used here.
    const machine = {
      directory: root,
      state: async () => state,
      powerDown: async () => void done.push('power-down'),
      resume: async () => void done.push('resume'),
      onEvent: () => () => undefined,
      exited: () => new Promise(() => undefined),
      disconnect: () => undefined,
    } as unknown as Machine;
    const { machines, records } = machinesIn(root, {});
    const known = { namespace: 'ns', name: 'pod', uid: 'u' };
    machines.hold(machine, unknownMachine({ pod: known, vmi: { name: 'vm', uid: 'v' } }, root), 'migration');
    const io = {
      pods: { get: () => pod },
      instances: { get: () => vmi },
      machines,
      records,
      moves: {
        isMoving: () => true,
        isUnreadable: () => false,
        isSource: () => isSource,
        abort: (_: string, __: string, guest: string) => done.push(`abort, ${guest}`),
      },
    } as unknown as LauncherIo;
    const reconciler = createLauncherReconciler(
      { nodeName: 'n1', address: '127.0.0.1', acceleration: 'tcg' } as LauncherOptions,
      { io, clock, log: silentLogger },
    );
    return { clock, done, look: () => reconciler.reconcile(keyOf(pod)) };
  }

  it('is asked to switch itself off at once where it runs, and again when it did not hear that', async () => {
    const { clock, done, look } = create('running');
    await look();
    await look();
    expect(done).toEqual(['abort, ask', 'power-down', 'abort, ask']);
    clock.advance(11_000);
    await look();
    expect(done.slice(3)).toEqual(['abort, ask', 'power-down']);
  });

  it.each([
    ['stands still for the handover', 'paused', true],
    ['is on its way in', 'running', false],
  ] as const)('is left to its migration while it %s', async (_, state, isSource) => {
    const { done, look } = create(state, isSource);
    await look();
    expect(done).toEqual(['abort, ask']);
  });
});
