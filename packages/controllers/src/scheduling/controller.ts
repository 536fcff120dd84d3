import { keyOf, names, resourcePath, resources, withCondition } from '@godwit/api';
import type { Node, ObjectKey, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass, Stored } from '@godwit/api';
import { isConflict, isNotFound } from '@godwit/kube-client';
import type { Reconciler } from '@godwit/reconcile';
import type { Controller, ControllerContext } from '../context.ts';
import { podClaims } from '../storage/protection/decide.ts';
import { isFinalPod } from '../virt/facts.ts';
import type { PlacedPod } from './affinity.ts';
import { decideScheduling } from './decide.ts';
import type { SchedulingSeen } from './decide.ts';
import type { PodClaim } from './volumes.ts';

const UNPLACED = 'unplaced';
/** Nothing may ever wake a pod that waits for something we do not watch. */
const LOOK_AGAIN_MS = 10_000;

/** Gives pending pods a node. */
export function createScheduler(context: ControllerContext): Reconciler {
  const { client, manager, clock, events, log } = context;
  const pods = manager.cache<Pod>(resources.pods, {
    indexes: { [UNPLACED]: (pod) => [isWaiting(pod) ? 'yes' : 'no'] },
  });
  const nodes = manager.cache<Node>(resources.nodes);
  const claims = manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims);
  const volumes = manager.cache<PersistentVolume>(resources.persistentVolumes);
  const classes = manager.cache<StorageClass>(resources.storageClasses);
  /** Pods we bound and whose new node the cache does not show yet, by uid. */
  const assumed = new Map<string, string>();

  function placedPods(except: Stored<Pod>): PlacedPod[] {
    const placed: PlacedPod[] = [];
    for (const pod of pods.list()) {
      const { uid } = pod.metadata;
      if (pod.spec.nodeName !== undefined) assumed.delete(uid);
      const node = nodes.get({ namespace: '', name: pod.spec.nodeName ?? assumed.get(uid) ?? '' });
      if (node && uid !== except.metadata.uid && !isFinalPod(pod)) placed.push({ pod, node });
    }
    return placed;
  }

  function claimsOf(pod: Stored<Pod>): PodClaim[] {
    return podClaims(pod).map((name) => {
      const claim = claims.get({ namespace: pod.metadata.namespace ?? '', name });
      return {
        name,
        claim,
        volume: volumes.get({ namespace: '', name: claim?.spec.volumeName ?? '' }),
        storageClass: classes.get({ namespace: '', name: claim?.spec.storageClassName ?? '' }),
      };
    });
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
    ],
    async reconcile(key) {
      const pod = pods.get(key);
      if (!pod || !isWaiting(pod) || assumed.has(pod.metadata.uid)) return;
      const seen: SchedulingSeen = {
        pod,
        nodes: nodes.list(),
        placed: placedPods(pod),
        claims: claimsOf(pod),
      };
      const plan = decideScheduling(seen);
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
