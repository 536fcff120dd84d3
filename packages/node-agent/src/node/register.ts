import { freeBytesAnnotation, resources } from '@godwit/api';
import type { Lease, Node, Stored } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { isAlreadyExists } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';
import { desiredLease, desiredNode, desiredNodeStatus, staleLabels } from './desired-node.ts';
import type { NodeFacts } from './desired-node.ts';

export interface NodeRegistration {
  /** Creates or refreshes the Node and its Lease. Rejects when the API server cannot be reached. */
  register(): Promise<void>;
  /** Renews the Lease every ten seconds and the whole status every minute, until stopped. */
  start(): void;
  stop(): void;
}

const LEASE_EVERY_MS = 10_000;
const STATUS_EVERY_MS = 60_000;
const RETRY_MS = 1000;

export function createNodeRegistration(
  facts: NodeFacts,
  {
    client,
    clock,
    log,
    freeBytes,
  }: {
    client: KubeClient;
    clock: Clock;
    log: Logger;
    /** Room that a storage pool has left; undefined when nobody can tell. */
    freeBytes?: (pool: 'node' | 'shared') => Promise<number | undefined>;
  },
): NodeRegistration {
  let cancel: () => void = () => undefined;
  let stopped = false;
  let statusAt = 0;

  async function roomLeft(): Promise<Record<string, string>> {
    const told: Record<string, string> = {};
    for (const pool of ['node', 'shared'] as const) {
      const free = await freeBytes?.(pool);
      if (free !== undefined) told[freeBytesAnnotation(pool)] = String(free);
    }
    return told;
  }

  async function ensureNode(): Promise<Stored<Node>> {
    const wanted = desiredNode(facts);
    const old = await client.get<Node>(resources.nodes, facts.nodeName);
    if (!old) {
      try {
        return await client.create(resources.nodes, wanted);
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    }
    const { labels, annotations: fixed } = wanted.metadata;
    const annotations = { ...fixed, ...(await roomLeft()) };
    const stale = staleLabels(old?.metadata.labels ?? {}, labels ?? {});
    const patch = { metadata: { labels: { ...labels, ...stale }, annotations } };
    return client.patch<Node>(resources.nodes, facts.nodeName, '', { type: 'merge', patch });
  }

  async function ensureLease(nodeUid: string): Promise<void> {
    const wanted = desiredLease(facts.nodeName, nodeUid, clock.now());
    const { name = '', namespace = '' } = wanted.metadata;
    const old = await client.get<Lease>(resources.leases, name, namespace);
    if (!old) return void (await client.create(resources.leases, wanted));
    const { ownerReferences } = wanted.metadata;
    const patch = { metadata: { ownerReferences }, spec: wanted.spec };
    await client.patch(resources.leases, name, namespace, { type: 'merge', patch });
  }

  async function register(): Promise<void> {
    const node = await ensureNode();
    const status = desiredNodeStatus(facts, node.status, clock.now());
    await client.patch(resources.nodes, facts.nodeName, '', { type: 'merge', patch: { status } }, 'status');
    statusAt = clock.now();
    await ensureLease(node.metadata.uid);
  }

  async function beat(): Promise<void> {
    const node = await client.get<Node>(resources.nodes, facts.nodeName);
    const ready = node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
    if (!node || ready !== true || clock.now() - statusAt >= STATUS_EVERY_MS) return register();
    await ensureLease(node.metadata.uid);
  }

  function plan(ms: number): void {
    if (stopped) return;
    cancel = clock.after(ms, () => {
      beat().then(
        () => plan(LEASE_EVERY_MS),
        (error: unknown) => {
          log.warn({ Node: facts.nodeName, err: describeError(error) }, 'heartbeat failed');
          plan(RETRY_MS);
        },
      );
    });
  }

  return {
    register,
    start: () => plan(LEASE_EVERY_MS),
    stop() {
      stopped = true;
      cancel();
    },
  };
}
