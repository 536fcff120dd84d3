import { resources } from '@godwit/api';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { createKubeClient } from '@godwit/kube-client';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { TestCluster } from '../../api-server/test/support/cluster.ts';
import { createVmi, readVmi, startKubeVirtServer } from '../../virt-api/test/kubevirt-server.ts';
import { createAgentMetrics } from '../src/endpoint/metrics.ts';
import type { RunningMigration } from '../src/migration/types.ts';
import type { Executor } from '../src/moves/executors.ts';
import { createMoveTelling } from '../src/moves/telling.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startKubeVirtServer();
});
afterAll(() => cluster.stop());

/** The target's side of a migration that its controller has closed before the copy began, as a deleted VMI's is. */
function endedTarget(name: string, uid: string): Executor {
  return {
    record: {
      role: 'target',
      identity: { id: 'm1', namespace: 'default', name },
      migrationUid: 'm1',
      migrationName: 'm1',
      pod: { namespace: 'default', name: `virt-launcher-${name}-n2`, uid: `pod-${name}` },
      vmi: { name, uid },
      crossCluster: false,
    },
    // The cast is safe: nothing is asked of a side that has ended.
    handle: {} as RunningMigration,
    progress: { flush: async () => undefined },
    outcome: { result: 'aborted', reason: 'The VMI was deleted' },
    endedAtMs: 0,
    aborting: true,
  };
}

it.each([
  ['the node that the closed record names as its target tells what it knows', 'n2', 'source'],
  ['a node that may not tell anything does not wait for it for ever', 'n3', undefined],
])('%s', async (_, node, settledOn) => {
  const name = `told-by-${node}`;
  const closed = { migrationUid: 'm1', sourceNode: 'n1', targetNode: 'n2', failed: true, completed: true };
  const uid = await createVmi(cluster, name, { migrationState: closed });
  const issued = await cluster.ca.issue(`CN=system:node:${node}, O=system:nodes`);
  const client = createKubeClient({ server: cluster.server.url, caPem: cluster.ca.certPem, ...issued });
  onTestFinished(() => client.close());
  const metrics = createAgentMetrics(node, () => ({ machines: 0, migrations: [] }));
  const events = { record: () => undefined, flush: async () => undefined };
  const telling = createMoveTelling(node, () => [], {
    io: { client, events, metrics },
    clock: systemClock,
    log: silentLogger,
  });
  const seen = await client.get<VirtualMachineInstance>(resources.virtualMachineInstances, name, 'default');
  // The cast is safe: it has just been created.
  await telling.complete(seen as Stored<VirtualMachineInstance>, endedTarget(name, uid));
  expect((await readVmi(cluster, name)).status?.migrationState?.settledOn).toBe(settledOn);
});
