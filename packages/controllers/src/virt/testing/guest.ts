import { names, resources } from '@godwit/api';
import type { Pod, Stored, VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { boundClaim, machine } from './cluster.ts';
import type { TestCluster } from './cluster.ts';

/** The first pod that satisfies `holds`, once it is there. */
export async function podOf(
  cluster: TestCluster,
  what: string,
  holds: (pod: Stored<Pod>) => boolean,
): Promise<Stored<Pod>> {
  const probe = async (): Promise<Stored<Pod> | undefined> => (await cluster.pods()).find(holds);
  const found = await waitFor(probe, { timeoutMs: 15_000, intervalMs: 2, what });
  // The cast is safe: undefined is waited out.
  return found as Stored<Pod>;
}

export function isTarget({ metadata }: Pod): boolean {
  return metadata.labels?.[names.migrationJobUidLabel] !== undefined;
}

export function targetPod(cluster: TestCluster): Promise<Stored<Pod>> {
  return podOf(cluster, 'the target pod', isTarget);
}

/** Creates the VM, whose claims are there already, and plays scheduler and agent until its guest runs on `n1`. */
export async function boot(cluster: TestCluster, vm: VirtualMachine): Promise<Stored<Pod>> {
  const { name = '' } = vm.metadata;
  await cluster.client.create(resources.virtualMachines, vm);
  const isItsPod = ({ metadata }: Pod): boolean => metadata.annotations?.[names.domainAnnotation] === name;
  const pod = await podOf(cluster, `the pod of ${name}`, isItsPod);
  await cluster.runPod(pod, 'n1');
  const isScheduled = ({ status }: VirtualMachineInstance): boolean => status?.phase === 'Scheduled';
  await cluster.until<VirtualMachineInstance>(resources.virtualMachineInstances, name, 'Scheduled', isScheduled);
  await cluster.runGuest(name, 'n1');
  return pod;
}

/** VM vm1 on claim root-old, which says that it runs. */
export async function runningVm(cluster: TestCluster, options: { shared?: boolean } = {}): Promise<Stored<Pod>> {
  cluster.seed(...boundClaim('root-old', options));
  const pod = await boot(cluster, machine('vm1'));
  const isRunning = ({ status }: VirtualMachine): boolean => status?.printableStatus === 'Running';
  await cluster.until<VirtualMachine>(resources.virtualMachines, 'vm1', 'Running', isRunning);
  return pod;
}

export function migrationIn(
  cluster: TestCluster,
  name: string,
  phase: string,
): Promise<Stored<VirtualMachineInstanceMigration>> {
  const isThere = ({ status }: VirtualMachineInstanceMigration): boolean => status?.phase === phase;
  return cluster.until(resources.virtualMachineInstanceMigrations, name, phase, isThere);
}
