import { names, resources } from '@godwit/api';
import type {
  EvictionStrategy,
  KubeObject,
  Pod,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { describe, expect, it } from 'vitest';
import { virtControllers } from '../virt/controllers.ts';
import { boundClaim, machine, migrationOf, startTestCluster } from '../virt/testing/cluster.ts';
import type { TestCluster } from '../virt/testing/cluster.ts';
import { boot } from '../virt/testing/guest.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, nodes } = resources;
type Vmim = Stored<VirtualMachineInstanceMigration>;

function node(name: string): KubeObject {
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { [names.hostnameLabel]: name } }, status };
}

/** A guest on `n1` whose disk every node can reach. */
async function guest(
  cluster: TestCluster,
  name: string,
  evictionStrategy?: EvictionStrategy,
  nodeSelector?: Record<string, string>,
): Promise<void> {
  cluster.seed(...boundClaim(`disk-${name}`, { shared: true }));
  const vm = machine(name);
  vm.spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: `disk-${name}` } }];
  if (evictionStrategy !== undefined) vm.spec.template.spec.evictionStrategy = evictionStrategy;
  if (nodeSelector !== undefined) vm.spec.template.spec.nodeSelector = nodeSelector;
  await boot(cluster, vm);
}

function seen<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<Exclude<T, undefined | false>> {
  return waitFor(probe, { timeoutMs: 15_000, intervalMs: 2, what });
}

async function podsOf(cluster: TestCluster, vmi: string): Promise<Stored<Pod>[]> {
  return (await cluster.pods()).filter((pod) => pod.metadata.annotations?.[names.domainAnnotation] === vmi);
}

async function targets(cluster: TestCluster): Promise<Stored<Pod>[]> {
  const live = (pod: Stored<Pod>): boolean =>
    pod.metadata.deletionTimestamp === undefined && pod.spec.nodeName !== 'n2';
  return (await cluster.pods()).filter((pod) => pod.metadata.labels?.[names.migrationJobUidLabel] && live(pod));
}

async function migrations(cluster: TestCluster): Promise<Vmim[]> {
  return (await cluster.client.list<VirtualMachineInstanceMigration>(virtualMachineInstanceMigrations)).items;
}

const evict = (cluster: TestCluster, name: string, from: string | null = 'n1'): Promise<void> =>
  cluster.merge(virtualMachineInstances, name, { status: { evacuationNodeName: from } });

/** What scheduler and agents do for a migration that has a target pod. Resolves once it has succeeded. */
async function complete(cluster: TestCluster, target: Stored<Pod>): Promise<void> {
  const vmi = target.metadata.annotations?.[names.domainAnnotation] ?? '';
  const migration = target.metadata.annotations?.[names.migrationJobNameAnnotation] ?? '';
  await cluster.runPod(target, 'n2');
  await cluster.until<VirtualMachineInstance>(
    virtualMachineInstances,
    vmi,
    'handed over',
    ({ status }) => status?.migrationState?.targetPod === target.metadata.name,
  );
  const now = '2026-01-01T00:00:00Z';
  await cluster.report(
    vmi,
    { startTimestamp: now, targetNodeAddress: '127.0.0.1', completed: true, endTimestamp: now },
    { nodeName: 'n2', evacuationNodeName: null },
  );
  await cluster.until<VirtualMachineInstanceMigration>(
    virtualMachineInstanceMigrations,
    migration,
    'Succeeded',
    ({ status }) => status?.phase === 'Succeeded',
  );
}

const requested = ({ status }: VirtualMachineInstance): boolean =>
  status?.conditions?.some(({ type }) => type === 'EvictionRequested') === true;

describe('a node that is to become empty', () => {
  it('loses each guest by its own strategy, once, never more than two at a time [SLM 5.3 #52]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    cluster.seed(node('n1'), node('n2'));
    const leaving = ['a', 'b', 'c', 'd', 'e'];
    for (const name of leaving) await guest(cluster, name, 'LiveMigrate');
    await guest(cluster, 'stays', 'None');
    await guest(cluster, 'foreign', 'External');
    await cluster.merge(nodes, 'n1', { spec: { taints: [{ key: 'kubevirt.io/drain', effect: 'NoSchedule' }] } });
    // Never one object per guest of the node.
    await seen('as many migrations as may wait', async () => (await migrations(cluster)).length === 4);
    for (const moved of leaving.keys()) {
      const wanted = Math.min(2, leaving.length - moved);
      const [first, ...others] = await seen('those that may leave', async () => {
        const found = await targets(cluster);
        expect(found.length).toBeLessThanOrEqual(2);
        return found.length === wanted && found;
      });
      expect(others.length).toBeLessThan(2);
      if (first) await complete(cluster, first);
    }
    const all = await migrations(cluster);
    expect(all.map(({ spec }) => spec.vmiName ?? '').toSorted()).toEqual(leaving);
    for (const name of ['stays', 'foreign']) expect((await cluster.vmi(name))?.status?.nodeName).toBe('n1');
  });
});

describe('a guest that is to leave its node', () => {
  it('is marked, overtakes what waits, and is forgotten once it has left [SLM 5.3 #53 #54]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    cluster.seed(node('n1'), node('n2'));
    for (const name of ['a', 'b', 'c', 'd']) await guest(cluster, name, 'LiveMigrate');
    for (const name of ['a', 'b', 'c'])
      await cluster.client.create(virtualMachineInstanceMigrations, migrationOf(name, `by-hand-${name}`));
    const running = await seen('two to move', async () => {
      const found = await targets(cluster);
      return found.length === 2 && found;
    });
    await evict(cluster, 'd');
    await seen('the mark on the pod', async () =>
      (await podsOf(cluster, 'd')).some(
        (pod) => pod.metadata.annotations?.[names.evictionInProgressAnnotation] === 'true',
      ),
    );
    await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'd', 'the condition', requested);
    const evacuation = await seen('its migration to wait', async () =>
      (await migrations(cluster)).find(({ spec, status }) => spec.vmiName === 'd' && status?.phase === 'Pending'),
    );
    expect(evacuation).toMatchObject({ spec: { priority: 'system-critical' } });
    const [first] = running;
    if (first) await complete(cluster, first);
    const next = await seen('the next to move', async () =>
      (await targets(cluster)).find((pod) => running.every(({ metadata }) => metadata.uid !== pod.metadata.uid)),
    );
    expect(next.metadata.annotations?.[names.domainAnnotation]).toBe('d');
    await complete(cluster, next);
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'd',
      'calm',
      (vmi) => !requested(vmi) && vmi.status?.nodeName === 'n2',
    );
    expect((await migrations(cluster)).filter(({ spec }) => spec.vmiName === 'd')).toHaveLength(1);
  });

  it('leaves by what its VM says about nodes while it waits for one', async () => {
    await using cluster = await startTestCluster(virtControllers);
    cluster.seed(node('n1'), node('n2'));
    await cluster.merge(nodes, 'n1', { metadata: { labels: { zone: 'a' } } });
    await guest(cluster, 'a', 'LiveMigrate', { zone: 'a' });
    await evict(cluster, 'a');
    await seen('its migration to find no node', async () =>
      (await migrations(cluster)).find(({ status }) =>
        status?.conditions?.some(({ reason }) => reason === 'NoCandidateNode'),
      ),
    );
    await cluster.merge(virtualMachines, 'a', { spec: { template: { spec: { nodeSelector: null } } } });
    const target = await seen('a target pod', async () => (await targets(cluster))[0]);
    await complete(cluster, target);
    expect(await migrations(cluster)).toHaveLength(1);
  });

  it('stays when that is cancelled before it has begun [SLM 5.3 #53]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    cluster.seed(node('n1'), node('n2'));
    for (const name of ['a', 'b', 'c']) await guest(cluster, name);
    for (const name of ['a', 'b', 'c']) await evict(cluster, name);
    const waiting = await seen('one that waits for a slot', async () =>
      (await migrations(cluster)).find(({ status }) =>
        status?.conditions?.some(({ reason }) => reason === 'NodeLimitReached'),
      ),
    );
    const name = waiting.spec.vmiName ?? '';
    await evict(cluster, name, null);
    await cluster.untilGone(virtualMachineInstanceMigrations, waiting.metadata.name);
    await cluster.until<VirtualMachineInstance>(virtualMachineInstances, name, 'calm', (vmi) => !requested(vmi));
    expect(await migrations(cluster)).toHaveLength(2);
  });

  it('stays when it could not leave and its node is taken into service again; the next drain tries anew', async () => {
    await using cluster = await startTestCluster(virtControllers);
    cluster.seed(node('n1'), node('n2'));
    await guest(cluster, 'a', 'LiveMigrate');
    await cluster.merge(nodes, 'n1', { spec: { unschedulable: true } });
    await evict(cluster, 'a');
    const target = await seen('its target', async () => (await targets(cluster))[0]);
    await cluster.runPod(target, 'n2');
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'a',
      'handed over',
      ({ status }) => status?.migrationState?.targetPod === target.metadata.name,
    );
    const now = new Date().toISOString();
    const failureReason = 'disk root: the target has 1 bytes, 2 are needed';
    await cluster.report('a', { startTimestamp: now, failed: true, endTimestamp: now, failureReason });
    const isFailed = ({ type, status }: { type: string; status: string }): boolean =>
      type === 'EvacuationFailed' && status === 'True';
    await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'a', 'given up', ({ status }) =>
      Boolean(status?.conditions?.some(isFailed)),
    );
    await cluster.merge(nodes, 'n1', { spec: { unschedulable: null } });
    await cluster.until<VirtualMachineInstance>(
      virtualMachineInstances,
      'a',
      'calm',
      (vmi) => !requested(vmi) && vmi.status?.evacuationNodeName === undefined,
    );
    expect((await cluster.vmi('a'))?.status?.conditions?.some(isFailed)).toBe(false);
    await cluster.merge(nodes, 'n1', { spec: { unschedulable: true } });
    await evict(cluster, 'a');
    await cluster.until<VirtualMachineInstance>(virtualMachineInstances, 'a', 'asked again', requested);
  });
});
