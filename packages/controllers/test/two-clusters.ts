import { names, resources } from '@godwit/api';
import type {
  ConfigMap,
  KubeVirt,
  Pod,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { virtControllers } from '../src/virt/controllers.ts';
import { testAuthority } from '../src/virt/testing/authority.ts';
import { boundClaim, machine, migrationOf, readyNode, startTestCluster } from '../src/virt/testing/cluster.ts';
import type { TestCluster } from '../src/virt/testing/cluster.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations, pods, kubeVirts, configMaps } =
  resources;
export const wait = { timeoutMs: 15_000, intervalMs: 5 };

/** Made once: it takes a while. */
export const authorities: Promise<readonly { certPem: string; keyPem: string }[]> = Promise.all([
  testAuthority('alpha'),
  testAuthority('beta'),
]);

/** Controllers of a cluster that trusts itself and others, by number. */
export async function cluster(own: number, trusted: readonly number[]): Promise<TestCluster> {
  const known = await authorities;
  const kubevirtCa = known[own] ?? { certPem: '', keyPem: '' };
  const made = await startTestCluster(virtControllers, { kubevirtCa, syncListen: { host: '127.0.0.1', port: 0 } });
  const bundle = [own, ...trusted].map((index) => known[index]?.certPem ?? '').join('\n');
  await made.client.create<ConfigMap>(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: names.caConfigMap, namespace: names.installNamespace },
    data: { [names.caBundleKey]: bundle },
  });
  return made;
}

export function addressOf(of: TestCluster): Promise<string> {
  return waitFor(
    async () =>
      (await of.client.get<KubeVirt>(kubeVirts, names.kubeVirtName, names.installNamespace))?.status
        ?.synchronizationAddresses?.[0],
    { ...wait, what: 'a synchronization address' },
  );
}

export async function bootSource(alpha: TestCluster, name = 'vm1'): Promise<Stored<Pod>> {
  alpha.seed(...boundClaim('root-old'));
  alpha.seed(readyNode('n1', { [names.accelerationLabel]: 'tcg' }));
  await alpha.client.create(virtualMachines, machine(name));
  const pod = await waitFor(async () => (await alpha.pods())[0], { ...wait, what: 'the source pod' });
  await alpha.runPod(pod, 'n1');
  await alpha.until<VirtualMachineInstance>(
    virtualMachineInstances,
    name,
    'Scheduled',
    (vmi) => vmi.status?.phase === 'Scheduled',
  );
  await alpha.runGuest(name, 'n1');
  return pod;
}

export async function makeReceiver(beta: TestCluster, name = 'vm1', size = '1Gi'): Promise<void> {
  beta.seed(readyNode('m1', { [names.accelerationLabel]: 'tcg' }), ...boundClaim('root-new', { size, node: 'm1' }));
  const vm = machine(name, { runStrategy: 'WaitAsReceiver' });
  vm.metadata.annotations = { [names.restoreRunStrategyAnnotation]: 'Always' };
  vm.spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: 'root-new' } }];
  await beta.client.create(virtualMachines, vm);
  await beta.until<VirtualMachineInstance>(
    virtualMachineInstances,
    name,
    'WaitingForSync',
    (vmi) => vmi.status?.phase === 'WaitingForSync',
  );
}

export function inPhase(
  of: TestCluster,
  name: string,
  phase: string,
): Promise<Stored<VirtualMachineInstanceMigration>> {
  return of.until<VirtualMachineInstanceMigration>(
    virtualMachineInstanceMigrations,
    name,
    phase,
    (one) => one.status?.phase === phase,
  );
}

/** Asks for the move of vm1, as `out` in one cluster and `in` in the other. */
export async function requestMove(alpha: TestCluster, beta: TestCluster): Promise<void> {
  const connectURL = await addressOf(beta);
  await beta.client.create(
    virtualMachineInstanceMigrations,
    migrationOf('vm1', 'in', { receive: { migrationID: 'move-1' } }),
  );
  await alpha.client.create(
    virtualMachineInstanceMigrations,
    migrationOf('vm1', 'out', { sendTo: { migrationID: 'move-1', connectURL } }),
  );
}

export async function upToTargetReady(alpha: TestCluster, beta: TestCluster): Promise<Stored<Pod>> {
  await requestMove(alpha, beta);
  const target = await waitFor(async () => (await beta.pods())[0], { ...wait, what: 'the target pod' });
  await beta.runPod(target, 'm1');
  await inPhase(beta, 'in', 'PreparingTarget');
  await beta.report('vm1', {
    targetNodeAddress: '127.0.0.1',
    targetDirectMigrationNodePorts: { '4000': 0, '4001': 49152, '4002': 49153 },
  });
  await Promise.all([inPhase(alpha, 'out', 'TargetReady'), inPhase(beta, 'in', 'TargetReady')]);
  return target;
}

/** What agents do with launcher pods that are deleted, until so many are left. */
export async function untilPods(of: TestCluster, count: number): Promise<void> {
  await waitFor(
    async () => {
      const all = await of.pods();
      for (const { metadata } of all.filter((pod: Pod) => pod.metadata.deletionTimestamp !== undefined))
        await of.client.delete(pods, metadata.name, 'default', { gracePeriodSeconds: 0 });
      return all.length === count;
    },
    { ...wait, what: `${count} pods to be left` },
  );
}
