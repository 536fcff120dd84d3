import { keyOf, names, resourcePath, resources, withCondition } from '@godwit/api';
import type {
  KubeVirt,
  Node,
  ObjectKey,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
  Stored,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { isConflict, isNotFound } from '@godwit/kube-client';
import type { Reconciler } from '@godwit/reconcile';
import type { Controller, ControllerContext } from '../context.ts';
import { inboundLimit } from '../migration/configuration.ts';
import { kubeVirtOf } from '../virt/caches.ts';
import { isFinalMigration, isFinalPod } from '../virt/facts.ts';
import { decideScheduling } from './decide.ts';
import { arrivals, placementInput } from './observe.ts';
import type { Inbound } from './placements.ts';

const UNPLACED = 'unplaced';
/** Nothing may ever wake a pod that waits for something we do not watch. */
const LOOK_AGAIN_MS = 10_000;

/** Gives pending pods a node. */
export function createScheduler(context: ControllerContext): Reconciler {
  const { client, manager, clock, events, log } = context;
  const pods = manager.cache<Pod>(resources.pods, {
    indexes: { [UNPLACED]: (pod) => [isWaiting(pod) ? 'yes' : 'no'] },
  });
  const caches = {
    pods,
    nodes: manager.cache<Node>(resources.nodes),
    claims: manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims),
    volumes: manager.cache<PersistentVolume>(resources.persistentVolumes),
    storageClasses: manager.cache<StorageClass>(resources.storageClasses),
    migrations: manager.cache<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations),
    kubeVirts: manager.cache<KubeVirt>(resources.kubeVirts),
  };
  /** Pods we bound and whose new node the cache does not show yet, by uid. */
  const assumed = new Map<string, string>();

  function nodeOf(pod: Stored<Pod>): string | undefined {
    if (pod.spec.nodeName !== undefined) assumed.delete(pod.metadata.uid);
    return pod.spec.nodeName ?? assumed.get(pod.metadata.uid);
  }

  /** A node takes in a limited number of guests at a time; the queue plans for that, this is what enforces it. */
  function inboundOf(pod: Stored<Pod>): Inbound | undefined {
    const job = pod.metadata.labels?.[names.migrationJobUidLabel];
    if (job === undefined) return undefined;
    const arriving = arrivals(pods.list(), caches.migrations.list(), nodeOf, job);
    return { limit: inboundLimit(kubeVirtOf(caches)), arriving };
  }

  async function bind(pod: Stored<Pod>, node: string, placeClaims: readonly string[]): Promise<void> {
    const { name, namespace = '', uid } = pod.metadata;
    log.info({ Pod: keyOf(pod), Node: node, placeClaims }, 'binding a pod');
    // Claims first: once the pod is bound nobody looks at it here again.
    for (const claim of placeClaims) {
      await client.patch(resources.persistentVolumeClaims, claim, namespace, {
        type: 'merge',
        patch: { metadata: { annotations: { [names.selectedNodeAnnotation]: node } } },
      });
    }
    try {
      await client.request('POST', resourcePath(resources.pods, namespace, name, 'binding'), {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { apiVersion: 'v1', kind: 'Node', name: node },
      });
    } catch (error) {
      // Bound by somebody else, or gone: the cache will say which.
      if (isConflict(error) || isNotFound(error)) return;
      throw error;
    }
    assumed.set(uid, node);
    events.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`);
  }

  async function reportWaiting(pod: Stored<Pod>, message: string): Promise<void> {
    const { name, namespace = '', resourceVersion } = pod.metadata;
    const old = pod.status?.conditions ?? [];
    const wanted = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message } as const;
    const conditions = withCondition(old, wanted, clock.now());
    if (conditions === old) return;
    events.record(pod, 'Warning', 'FailedScheduling', message);
    const patch = { metadata: { resourceVersion }, status: { phase: 'Pending', conditions } };
    await client.patch(resources.pods, name, namespace, { type: 'merge', patch }, 'status');
  }

  const waitingKeys = (): ObjectKey[] => pods.byIndex(UNPLACED, 'yes').map(keyOf);
  return {
    name: 'scheduler',
    watches: [
      // A pod that goes or is placed changes the world for those that wait.
      {
        resource: resources.pods,
        toKeys: (pod) => (isWaiting(pod as Stored<Pod>) ? [keyOf(pod)] : waitingKeys()),
      },
      { resource: resources.nodes, toKeys: waitingKeys },
      { resource: resources.persistentVolumeClaims, toKeys: waitingKeys },
      { resource: resources.persistentVolumes, toKeys: waitingKeys },
      {
        resource: resources.virtualMachineInstanceMigrations,
        toKeys: (one) => (isFinalMigration(one as VirtualMachineInstanceMigration) ? waitingKeys() : []),
      },
    ],
    async reconcile(key) {
      const pod = pods.get(key);
      if (!pod || !isWaiting(pod) || assumed.has(pod.metadata.uid)) return;
      const inbound = inboundOf(pod);
      const plan = decideScheduling(
        placementInput(caches, pod, { assumed: nodeOf, ...(inbound === undefined ? {} : { inbound }) }),
      );
      if (plan.do === 'bind') return bind(pod, plan.node, plan.placeClaims);
      await reportWaiting(pod, plan.message);
      return { requeueAfterMs: LOOK_AGAIN_MS };
    },
  };
}

function isWaiting(pod: Pod): boolean {
  const { schedulerName } = pod.spec;
  return (
    (pod.spec.nodeName ?? '') === '' &&
    pod.metadata.deletionTimestamp === undefined &&
    !isFinalPod(pod) &&
    (schedulerName === undefined || schedulerName === '' || schedulerName === 'default-scheduler')
  );
}

export const scheduling: Controller = {
  name: 'scheduling',
  setUp(context) {
    context.manager.add(createScheduler(context));
  },
};
