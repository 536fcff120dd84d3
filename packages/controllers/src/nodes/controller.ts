import { keyOf, resources } from '@godwit/api';
import type { Lease, Node } from '@godwit/api';
import type { Reconciler } from '@godwit/reconcile';
import type { Controller, ControllerContext } from '../context.ts';
import { decideNode, noteLease } from './decide.ts';
import type { LeaseSighting } from './decide.ts';

const LEASE_NAMESPACE = 'kube-node-lease';

/** Marks nodes whose agent has gone silent. Never touches their pods. */
export function createNodeReconciler({ client, manager, clock, events, log }: ControllerContext): Reconciler {
  const nodes = manager.cache<Node>(resources.nodes);
  const leases = manager.cache<Lease>(resources.leases, { namespace: LEASE_NAMESPACE });
  const sightings = new Map<string, LeaseSighting>();

  return {
    name: 'nodes',
    watches: [
      { resource: resources.nodes, toKeys: (node) => [keyOf(node)] },
      {
        resource: resources.leases,
        toKeys: (lease) => [{ namespace: '', name: lease.metadata.name }],
        from: { namespace: LEASE_NAMESPACE },
      },
    ],
    async reconcile(key) {
      const node = nodes.get(key);
      if (!node) {
        sightings.delete(key.name);
        return;
      }
      const lease = leases.get({ namespace: LEASE_NAMESPACE, name: key.name });
      const sighting = noteLease(sightings.get(key.name), lease?.spec?.renewTime ?? '', clock.now());
      sightings.set(key.name, sighting);
      const plan = decideNode(node, sighting, clock.now());
      if (plan.do === 'wait') return { requeueAfterMs: plan.lookAgainMs };
      log.warn({ Node: key.name }, 'node is silent, its state is unknown');
      events.record(node, 'Warning', 'NodeNotReady', `Node ${key.name} status is now: NodeNotReady`);
      const { resourceVersion } = node.metadata;
      const patch = { metadata: { resourceVersion }, status: { conditions: plan.conditions } };
      await client.patch(resources.nodes, key.name, '', { type: 'merge', patch }, 'status');
      return { requeueAfterMs: 1_000 };
    },
  };
}

export const nodes: Controller = {
  name: 'nodes',
  setUp(context) {
    context.manager.add(createNodeReconciler(context));
  },
};
