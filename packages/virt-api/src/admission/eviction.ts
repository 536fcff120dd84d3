import type { AdmissionPlugin, AdmissionRequest, ObjectReader, ObjectWriter } from '@godwit/api-server';
import type { KubeObject, KubeVirt, Pod, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { evictionStrategyOf, findCondition, names, resources } from '@godwit/api';
import { tooManyRequests } from '../refuse.ts';
import { asControllers } from '../users.ts';
import { decideEviction } from './decide-eviction.ts';

/** The cluster's one KubeVirt object. */
export function kubeVirtOf(reader: ObjectReader): KubeVirt | undefined {
  // The cast is safe: the reader returns objects of the kind it was asked for.
  return reader.get(resources.kubeVirts, names.kubeVirtName, names.installNamespace) as KubeVirt | undefined;
}

function guestOf(pod: Pod, namespace: string, reader: ObjectReader): VirtualMachineInstance | undefined {
  const name = pod.metadata.annotations?.[names.domainAnnotation];
  if (name === undefined) return undefined;
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const vmi = reader.get(resources.virtualMachineInstances, name, namespace) as VirtualMachineInstance | undefined;
  return vmi?.metadata.uid === pod.metadata.labels?.[names.createdByLabel] ? vmi : undefined;
}

/** What the unfinished migration of a VMI waits for. */
function waitsFor({ metadata }: VirtualMachineInstance, reader: ObjectReader): string | undefined {
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const migrations = reader.list(
    resources.virtualMachineInstanceMigrations,
    metadata.namespace ?? '',
  ) as VirtualMachineInstanceMigration[];
  const own = migrations.find(
    ({ spec, status }) => spec.vmiName === metadata.name && status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
  );
  const waiting = findCondition(own?.status?.conditions, 'migrationWaiting');
  return waiting?.status === 'True' ? waiting.message : undefined;
}

function isByDescheduler(eviction: KubeObject | undefined): boolean {
  return eviction?.metadata.annotations?.['requested-by'] === 'sigs.k8s.io/descheduler';
}

/** The VMI's status says that it has to leave that node; not if it has left it a moment ago. */
async function mark(
  writer: ObjectWriter,
  vmi: VirtualMachineInstance,
  node: string,
  byDescheduler: boolean,
): Promise<void> {
  await writer.modify(
    resources.virtualMachineInstances,
    vmi.metadata.name ?? '',
    vmi.metadata.namespace ?? '',
    (object) => {
      const current = object as VirtualMachineInstance;
      if (current.status?.nodeName !== node || current.metadata.uid !== vmi.metadata.uid) return;
      current.status.evacuationNodeName = node;
      if (byDescheduler)
        current.metadata.annotations = {
          ...current.metadata.annotations,
          [names.evictionSourceAnnotation]: 'descheduler',
        };
    },
    asControllers,
  );
}

async function evicting(request: AdmissionRequest, writer: ObjectWriter): Promise<readonly string[]> {
  // The cast is safe: evictions are of pods.
  const pod = request.oldObject as Pod | undefined;
  if (!pod) return [];
  const vmi = guestOf(pod, request.namespace, writer);
  const strategy = vmi && evictionStrategyOf(vmi, kubeVirtOf(writer));
  const verdict = decideEviction({ pod, vmi, strategy, waitsFor: vmi && waitsFor(vmi, writer) });
  if (verdict.do === 'allow') return verdict.warning === undefined ? [] : [verdict.warning];
  if (verdict.do === 'mark' && vmi && !request.dryRun)
    await mark(writer, vmi, pod.spec.nodeName ?? '', isByDescheduler(request.object));
  throw tooManyRequests(verdict.message, verdict.retryAfterSeconds);
}

/** Evictions of launcher pods: a guest that can be moved is moved instead of shut down, by its eviction strategy. */
export const evictionAdmission: AdmissionPlugin = { name: 'pod-eviction.godwit.dev', evicting };
