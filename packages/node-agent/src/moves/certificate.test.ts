import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyOf, names, resources } from '@godwit/api';
import type {
  CertificateSigningRequest,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import type { Machine } from '@godwit/hypervisor';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { machinesIn } from '../../test/machines-in.ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAgentMetrics } from '../endpoint/metrics.ts';
import { runVerb } from '../endpoint/verbs.ts';
import type { MachineRecord } from '../launcher/record.ts';
import { createMoves } from './moves.ts';
import type { MovesIo } from './moves.ts';
import { createMoveReconciler } from './reconciler.ts';
import type { MoveReconcilerIo } from './reconciler.ts';

const stored = { resourceVersion: '1', creationTimestamp: '' };
const migration: Stored<VirtualMachineInstanceMigration> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstanceMigration',
  metadata: { ...stored, uid: 'm', name: 'm', namespace: 'ns' },
  spec: { vmiName: 'vm' },
};
const vmi: VirtualMachineInstance = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstance',
  metadata: { name: 'vm', namespace: 'ns', labels: { [names.migrationTargetNodeLabel]: 'n2' } },
  spec: { domain: { devices: {} } },
  status: {
    phase: 'Running',
    migrationState: {
      migrationUid: 'm',
      sourceNode: 'n1',
      sourcePod: 'pod',
      targetNode: 'n2',
      targetPod: 'pod-2',
      targetNodeAddress: '127.0.0.1',
      targetDirectMigrationNodePorts: { '1': 0, '2': 49152, '3': 49153 },
    },
  },
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'node-agent-certificate-'));
});
afterEach(() => rmSync(root, { recursive: true }));

it('a guest obeys its user while its migration waits for a certificate', async () => {
  const { client } = createMemoryKube();
  const instance = await client.create<VirtualMachineInstance>(resources.virtualMachineInstances, vmi);
  let state = 'running';
  // The casts are safe: nothing else of them is used before a migration begins.
  const machine = {
    directory: root,
    state: async () => state,
    pause: async () => void (state = 'paused'),
    onEvent: () => () => undefined,
    exited: () => new Promise(() => undefined),
    disconnect: () => undefined,
  } as unknown as Machine;
  const { machines, records } = machinesIn(root, {});
  const record: MachineRecord = {
    version: 1,
    pod: { namespace: 'ns', name: 'pod', uid: 'u' },
    vmi: { name: 'vm', uid: instance.metadata.uid },
    spec: { disks: [] } as unknown as MachineRecord['spec'],
    backings: [],
    runDirectory: root,
    state: 'launched',
  };
  machines.hold(machine, record, 'agent');
  const io = {
    client,
    machines,
    records,
    events: { record: () => undefined, flush: async () => undefined },
    metrics: createAgentMetrics('n1', () => ({ machines: 1, migrations: [] })),
    instances: { get: () => instance },
    migrations: { list: () => [migration] },
    pods: { get: () => undefined, list: () => [] },
  };
  const moves = createMoves(
    {
      nodeName: 'n1',
      address: '127.0.0.1',
      acceleration: 'tcg',
      journalDir: join(root, 'journal'),
      machinesRoot: join(root, 'vms'),
      multifdChannels: 0,
    },
    {
      io: io as unknown as MovesIo,
      clock: systemClock,
      log: silentLogger,
      onChange: () => undefined,
      onPod: () => undefined,
    },
  );
  const reconciler = createMoveReconciler(
    { nodeName: 'n1', address: '127.0.0.1' },
    { io: { ...io, moves } as unknown as MoveReconcilerIo, clock: systemClock, log: silentLogger },
  );

  const beginning = reconciler.reconcile(keyOf(instance));
  const asked = await waitFor(
    async () => (await client.list<CertificateSigningRequest>(resources.certificateSigningRequests)).items[0],
    { timeoutMs: 20_000, what: 'the request for a certificate' },
  );
  await runVerb(machines, 'pause', 'ns', 'vm');
  expect(state).toBe('paused');

  const denied = { conditions: [{ type: 'Denied', status: 'True', message: 'not this one' }] };
  const body = { type: 'merge', patch: { status: denied } } as const;
  await client.patch(resources.certificateSigningRequests, asked.metadata.name, '', body, 'status');
  await beginning;
  const told = await client.get<VirtualMachineInstance>(resources.virtualMachineInstances, 'vm', 'ns');
  expect(told?.status?.migrationState).toMatchObject({
    failed: true,
    failureReason: expect.stringContaining('not this one'),
  });
  machines.close();
});
