import type { ObjectWriter, SubresourceReply, SubresourceRequest } from '@godwit/api-server';
import type { Node, VirtualMachineInstance } from '@godwit/api';
import { resources } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { kubeVirtOf } from '../admission/eviction.ts';
import { badRequest, conflict, notFound } from '../refuse.ts';
import { asControllers } from '../users.ts';

/** KubeVirt's default of `nodeDrainTaintKey`. */
const DRAIN_TAINT = 'kubevirt.io/drain';

/** A node that is being emptied by its taint would mark the guest again at once. */
function refuseTainted(writer: ObjectWriter, nodeName: string): void {
  const key = kubeVirtOf(writer)?.spec?.configuration?.migrations?.nodeDrainTaintKey ?? DRAIN_TAINT;
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const node = writer.get(resources.nodes, nodeName) as Node | undefined;
  if ((node?.spec?.taints ?? []).some((taint) => taint.key === key && taint.effect === 'NoSchedule'))
    throw badRequest(`Node "${nodeName}" has NodeDrainTaintKey "${key}:NoSchedule"`);
}

/**
 * `PUT …/evacuate/cancel` of a VM or VMI: it need not leave its node any more. A migration that moves data already goes on.
 */
export async function cancelEvacuation(request: SubresourceRequest, writer: ObjectWriter): Promise<SubresourceReply> {
  const { name, namespace, body } = request;
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const vmi = writer.get(resources.virtualMachineInstances, name, namespace) as VirtualMachineInstance | undefined;
  if (!vmi) throw notFound('virtualmachineinstances.kubevirt.io', name);
  const marked = vmi.status?.evacuationNodeName;
  refuseTainted(writer, marked ?? vmi.status?.nodeName ?? '');
  if (marked === undefined) return { code: 200 };
  const options = isObject(body) ? body : {};
  const expected = options['evacuationNodeName'];
  if (expected !== undefined && expected !== marked)
    throw conflict(`VMI "${namespace}/${name}" is to leave node "${marked}", not ${JSON.stringify(expected)}`);
  if (Array.isArray(options['dryRun']) && options['dryRun'].includes('All')) return { code: 200 };
  await writer.modify(
    resources.virtualMachineInstances,
    name,
    namespace,
    (object) => {
      const { status } = object as VirtualMachineInstance;
      if (status?.evacuationNodeName === marked) delete status.evacuationNodeName;
    },
    asControllers,
  );
  return { code: 200 };
}
