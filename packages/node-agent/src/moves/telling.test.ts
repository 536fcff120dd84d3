import type { MigrationProgress, Stored, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { expect, it } from 'vitest';
import { createAgentMetrics } from '../endpoint/metrics.ts';
import type { RunningMigration } from '../migration/types.ts';
import type { Executor } from './executors.ts';
import { createMoveTelling, namePeer } from './telling.ts';

const stored = { uid: 'm1', resourceVersion: '1', creationTimestamp: '' };
const progress: MigrationProgress = { updatedAt: '', stage: 'HandingOver', bytesTotal: 100, bytesDone: 40 };
const migration: Stored<VirtualMachineInstanceMigration> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstanceMigration',
  metadata: { ...stored, name: 'm1', namespace: 'ns' },
  spec: { vmiName: 'vm1' },
  status: { progress },
};
const vmi: Stored<VirtualMachineInstance> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstance',
  metadata: { ...stored, uid: 'v1', name: 'vm1', namespace: 'ns' },
  spec: { domain: { devices: {} } },
  status: { migrationState: { migrationUid: 'm1' } },
};

function executor(role: Executor['record']['role']): Executor {
  return {
    record: {
      role,
      identity: { id: 'm1', namespace: 'ns', name: 'vm1' },
      migrationUid: 'm1',
      migrationName: 'm1',
      pod: { namespace: 'ns', name: 'p', uid: 'p1' },
      vmi: { name: 'vm1', uid: 'v1' },
      crossCluster: false,
    },
    // The cast is safe: nothing but its status is asked for.
    handle: { role, status: () => ({ phase: 'HandingOver', undecided: false }) } as unknown as RunningMigration,
    progress: { flush: async () => undefined },
    outcome: undefined,
    endedAtMs: undefined,
    aborting: false,
  };
}

it.each([
  ['source', true],
  ['in-place', true],
  ['target', false],
] as const)('an agent that took up a migration as its %s shows what was told of it before: %s', async (role, shown) => {
  const metrics = createAgentMetrics('n1', () => ({ machines: 0, migrations: [] }));
  const { client } = createMemoryKube();
  const events = { record: () => undefined, flush: async () => undefined };
  const telling = createMoveTelling('n1', () => [migration], {
    io: { client, events, metrics },
    clock: systemClock,
    log: silentLogger,
  });
  await telling.publish(vmi, [executor(role)]);
  expect((await metrics.render()).text.includes('data_processed_bytes{namespace="ns",name="vm1",node="n1"} 40')).toBe(
    shown,
  );
});

it('names the node whose agent a link has lost', () => {
  const state = { sourceNode: 'n1', targetNode: 'n2' };
  const lost = 'The peer agent closed the link';
  expect(namePeer(lost, 'source', state)).toBe('The agent of the target node n2 closed the link');
  expect(namePeer(lost, 'target', state)).toBe('The agent of the source node n1 closed the link');
  expect(namePeer(lost, 'target', { sourceState: { node: 'n9' } })).toContain('source node n9');
  expect(namePeer(lost, 'target')).toBe('The agent of the source node closed the link');
  expect(namePeer('No space left on device', 'source', state)).toBe('No space left on device');
});
