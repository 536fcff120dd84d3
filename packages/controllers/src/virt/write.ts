import type { KubeObject, ResourceKind, Stored } from '@godwit/api';
import type { KubeClient } from '@godwit/kube-client';
import { mergeDiff } from './merge-diff.ts';

function withoutStatus(object: KubeObject): Record<string, unknown> {
  const { status: _status, ...rest } = object;
  return rest;
}

/**
 * Writes the difference between an object as it was read and as it should be: one merge patch of what changed, refused
 * by the server when somebody else wrote in between. With `statusSubresource`, status goes in a patch of its own, first.
 * Answers the newest copy.
 */
export async function writeDifference<T extends KubeObject>(
  client: KubeClient,
  resource: ResourceKind,
  before: Stored<T>,
  after: Stored<T>,
  options: { statusSubresource: boolean },
): Promise<Stored<T>> {
  const { name, namespace = '' } = before.metadata;
  let current = before;
  async function send(patch: Record<string, unknown> | undefined, subresource?: string): Promise<void> {
    if (!patch) return;
    const metadata = {
      ...(patch['metadata'] as object | undefined),
      resourceVersion: current.metadata.resourceVersion,
    };
    current = await client.patch<T>(
      resource,
      name,
      namespace,
      { type: 'merge', patch: { ...patch, metadata } },
      subresource,
    );
  }
  if (!options.statusSubresource) {
    await send(mergeDiff(before, after));
    return current;
  }
  // Status first: taking the last finalizer off a deleted object is the last write it can have.
  const status = mergeDiff(before['status'], after['status']);
  await send(status ? { status } : undefined, 'status');
  await send(mergeDiff(withoutStatus(before), withoutStatus(after)));
  return current;
}
