import { names, resources } from '@godwit/api';
import type { KubeVirt, Pod, Stored, VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { KubeApiError } from '@godwit/kube-client';
import { describe, expect, it } from 'vitest';
import { virtControllers } from '../virt/controllers.ts';
import { boundClaim, machine, migrationOf, startTestCluster } from '../virt/testing/cluster.ts';
import type { TestCluster } from '../virt/testing/cluster.ts';
import { boot } from '../virt/testing/guest.ts';

const { virtualMachineInstanceMigrations, kubeVirts } = resources;
const wait = { timeoutMs: 15_000, intervalMs: 5 };

/** Guests g0, g1, … running on n1. */
async function guests(cluster: TestCluster, count: number): Promise<string[]> {
  cluster.seed(...boundClaim('root-old', { shared: true }));
  const made = Array.from({ length: count }, (_, index) => `g${index}`);
  for (const name of made) await boot(cluster, machine(name));
  return made;
}

async function limits(cluster: TestCluster, migrations: object, annotations: object = {}): Promise<void> {
  await waitFor(() => cluster.client.get<KubeVirt>(kubeVirts, names.kubeVirtName, names.installNamespace), {
    ...wait,
    what: 'the KubeVirt object',
  });
  const patch = { metadata: { annotations }, spec: { configuration: { migrations } } };
  await cluster.client.patch(kubeVirts, names.kubeVirtName, names.installNamespace, { type: 'merge', patch });
}

async function targets(cluster: TestCluster): Promise<Stored<Pod>[]> {
  const all = await cluster.pods();
  return all.filter((pod) => pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined);
}

function held(cluster: TestCluster, vmi: string, reason: string): Promise<Stored<VirtualMachineInstanceMigration>> {
  return cluster.until<VirtualMachineInstanceMigration>(
    virtualMachineInstanceMigrations,
    `move-${vmi}`,
    reason,
    ({ status }) =>
      status?.conditions?.some((one) => one.type === 'migrationWaiting' && one.reason === reason) === true,
  );
}

async function ask(cluster: TestCluster, vmis: readonly string[], spec: object = {}): Promise<void> {
  for (const vmi of vmis)
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf(vmi, `move-${vmi}`, spec));
}

describe('migrations of several guests', () => {
  it('two leave a node at a time; the others say so with their places, and follow [SLM 63]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const vmis = await guests(cluster, 4);
    await ask(cluster, vmis);
    const first = await waitFor(async () => ((await targets(cluster)).length === 2 ? targets(cluster) : undefined), {
      ...wait,
      what: 'two target pods',
    });
    const waiting = vmis.filter(
      (vmi) => !first.some((pod) => pod.metadata.annotations?.[names.domainAnnotation] === vmi),
    );
    const messages = await Promise.all(waiting.map((vmi) => held(cluster, vmi, 'NodeLimitReached')));
    const places = messages.map(({ status }) => /place \d of 2/.exec(status?.conditions?.[0]?.message ?? '')?.[0]);
    expect(places.toSorted((a, b) => (a ?? '').localeCompare(b ?? ''))).toEqual(['place 1 of 2', 'place 2 of 2']);
    expect(await targets(cluster)).toHaveLength(2);
    // One that is taken back makes room for the next in line.
    const [gone] = first;
    const taken = gone?.metadata.annotations?.[names.domainAnnotation] ?? '';
    await cluster.client.delete(virtualMachineInstanceMigrations, `move-${taken}`, 'default');
    await cluster.untilGone(virtualMachineInstanceMigrations, `move-${taken}`);
    const next = waiting[places.indexOf('place 1 of 2')] ?? '';
    await waitFor(
      async () => (await targets(cluster)).some((pod) => pod.metadata.annotations?.[names.domainAnnotation] === next),
      { ...wait, what: `the target pod of ${next}` },
    );
  });

  it('one whose target pod is refused keeps its place, but nobody waiting: the slot is for others until it tries again', async () => {
    let refuses = false;
    await using cluster = await startTestCluster(virtControllers, {
      intercept({ verb, resource, name }) {
        if (!refuses || verb !== 'create' || resource.plural !== 'pods' || !name.includes('g0')) return;
        const details = { status: 403, reason: 'Forbidden', method: verb, path: name };
        throw new KubeApiError('exceeded quota: small', details, 'backoff');
      },
    });
    const vmis = await guests(cluster, 2);
    refuses = true;
    await limits(cluster, { parallelMigrationsPerCluster: 1 });
    await ask(cluster, ['g0']);
    await held(cluster, 'g0', 'FailedCreate');
    await ask(cluster, ['g1']);
    const [pod] = await waitFor(async () => ((await targets(cluster)).length > 0 ? targets(cluster) : undefined), {
      ...wait,
      what: 'the target pod of the other',
    });
    expect(pod?.metadata.annotations?.[names.domainAnnotation]).toBe('g1');
    await held(cluster, 'g0', 'ClusterLimitReached');
    refuses = false;
    await cluster.client.delete(virtualMachineInstanceMigrations, 'move-g1', 'default');
    await cluster.untilGone(virtualMachineInstanceMigrations, 'move-g1');
    await waitFor(
      async () =>
        (await targets(cluster)).some((one) => one.metadata.annotations?.[names.domainAnnotation] === vmis[0]),
      { ...wait, what: 'the target pod of the first' },
    );
  });

  it('a node takes in as many as its limit says', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const vmis = await guests(cluster, 3);
    await limits(cluster, { parallelOutboundMigrationsPerNode: 5 }, { [names.inboundLimitAnnotation]: '1' });
    await ask(cluster, vmis.slice(0, 1));
    const pod = await waitFor(async () => (await targets(cluster))[0], { ...wait, what: 'a target pod' });
    await cluster.runPod(pod, 'n2');
    await ask(cluster, vmis.slice(1));
    const [second] = await Promise.all(vmis.slice(1).map((vmi) => held(cluster, vmi, 'TargetNodeLimitReached')));
    expect(second?.status?.conditions?.[0]?.message).toContain('n2');
    expect(await targets(cluster)).toHaveLength(1);
  });

  it('an evacuation overtakes what waits already [SLM 54]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const vmis = await guests(cluster, 4);
    await limits(cluster, { parallelOutboundMigrationsPerNode: 1 });
    await ask(cluster, vmis.slice(0, 1));
    await waitFor(async () => (await targets(cluster)).length === 1, { ...wait, what: 'a target pod' });
    await ask(cluster, vmis.slice(1, 3));
    await Promise.all(vmis.slice(1, 3).map((vmi) => held(cluster, vmi, 'NodeLimitReached')));
    await ask(cluster, vmis.slice(3), { priority: 'system-critical' });
    const evacuation = await held(cluster, 'g3', 'NodeLimitReached');
    expect(evacuation.status?.conditions?.[0]?.message).toContain('place 1 of 3');
    await cluster.client.delete(virtualMachineInstanceMigrations, 'move-g0', 'default');
    await waitFor(
      async () => (await targets(cluster)).some((pod) => pod.metadata.annotations?.[names.domainAnnotation] === 'g3'),
      { ...wait, what: 'the target pod of the evacuation' },
    );
  });

  it('without a node to go to no pod is made; a node that comes back is enough [SLM 35]', async () => {
    await using cluster = await startTestCluster(virtControllers);
    const [vmi = ''] = await guests(cluster, 1);
    await cluster.client.patch(resources.nodes, 'n2', '', { type: 'merge', patch: { spec: { unschedulable: true } } });
    await ask(cluster, [vmi]);
    const told = await held(cluster, vmi, 'NoCandidateNode');
    expect(told.status?.conditions?.[0]?.message).toBe(
      'No candidate node: 0/2 nodes can take the guest in: n1 is where the guest runs; n2 is unschedulable',
    );
    expect(await targets(cluster)).toEqual([]);
    await cluster.client.patch(resources.nodes, 'n2', '', { type: 'merge', patch: { spec: { unschedulable: null } } });
    await waitFor(async () => (await targets(cluster)).length === 1, { ...wait, what: 'a target pod' });
  });
});
