import { resources } from '@godwit/api';
import type { KubeObject, ResourceKind } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { ApiError } from '../api-error.ts';
import { objectAt } from '../kinds/fields.ts';
import { internalContext } from '../objects/write-context.ts';
import { storedObject } from '../objects/object-reader.ts';
import { modifyQuietly, removeQuietly } from './parts.ts';
import type { BackgroundLoop, BackgroundParts } from './parts.ts';
import { systemUser } from './system-user.ts';
import { WorkQueue } from './work-queue.ts';

const USER = systemUser('namespace-controller');
/** How soon a namespace that still has content is looked at again; events wake it earlier. */
const RECHECK_MS = 1000;

/** Gives each namespace its default objects, and empties and ends those that are being deleted. */
export function startNamespaceController(parts: BackgroundParts, clusterCaPem: string): BackgroundLoop {
  const { store, registry, reader, service, clock, log } = parts;
  const queue = new WorkQueue(sync, clock, log);

  async function sync(name: string): Promise<void> {
    const namespace = reader.get(resources.namespaces, name);
    if (!namespace) return;
    if (namespace.metadata.deletionTimestamp === undefined) await fill(name);
    else await empty(namespace, name);
  }

  async function fill(namespace: string): Promise<void> {
    const metadata = { namespace };
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...metadata, name: 'default' } };
    await createMissing(resources.serviceAccounts, namespace, account);
    const ca = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        ...metadata,
        name: 'kube-root-ca.crt',
        annotations: { 'kubernetes.io/description': 'The CA bundle with which to verify the API server.' },
      },
      data: { 'ca.crt': clusterCaPem },
    };
    await createMissing(resources.configMaps, namespace, ca);
  }

  async function createMissing(resource: ResourceKind, namespace: string, object: KubeObject): Promise<void> {
    const kind = registry.find(resource.group, resource.version, resource.plural);
    if (!kind || reader.get(resource, object.metadata.name ?? '', namespace)) return;
    try {
      await service.create(kind, namespace, object, internalContext(USER));
    } catch (error) {
      // Made by somebody else, or the namespace is going away.
      if (!(error instanceof ApiError) || error.httpCode >= 500) throw error;
    }
  }

  async function empty(namespace: KubeObject, name: string): Promise<void> {
    let remaining = 0;
    let finalizing = 0;
    for (const storeKey of store.resources()) {
      const kind = registry.findByStoreKey(storeKey);
      if (!kind?.namespaced) continue;
      for (const entry of store.list(storeKey, name).items) {
        const object = kind.read(storedObject(entry.value));
        if (object.metadata.deletionTimestamp === undefined)
          await removeQuietly(parts, kind, object, USER, { propagation: 'Background' });
      }
      const left = store.list(storeKey, name).items;
      remaining += left.length;
      finalizing += left.filter((entry) => (storedObject(entry.value).metadata.finalizers ?? []).length > 0).length;
    }
    const kind = registry.find('', 'v1', 'namespaces');
    if (!kind) return;
    await modifyQuietly(parts, kind, namespace, USER, (copy) => setConditions(copy, remaining, finalizing), 'status');
    if (remaining > 0) {
      queue.addAfter(name, RECHECK_MS);
      return;
    }
    await modifyQuietly(
      parts,
      kind,
      namespace,
      USER,
      (copy) => (objectAt(copy, 'spec')['finalizers'] = []),
      'finalize',
    );
  }

  function setConditions(copy: KubeObject, remaining: number, finalizing: number): void {
    const now = rfc3339(clock.now());
    const condition = (type: string, isSet: boolean, reason: string, message: string): object => ({
      type,
      status: isSet ? 'True' : 'False',
      lastTransitionTime: now,
      reason,
      message,
    });
    const status = objectAt(copy, 'status');
    status['phase'] = 'Terminating';
    const old = Array.isArray(status['conditions'])
      ? (status['conditions'] as { type?: string; status?: string }[])
      : [];
    const wanted = [
      condition(
        'NamespaceDeletionDiscoveryFailure',
        false,
        'ResourcesDiscovered',
        'All resources successfully discovered',
      ),
      condition(
        'NamespaceDeletionGroupVersionParsingFailure',
        false,
        'ParsedGroupVersions',
        'All legacy kube types successfully parsed',
      ),
      condition(
        'NamespaceDeletionContentFailure',
        false,
        'ContentDeleted',
        'All content successfully deleted, may be waiting on finalization',
      ),
      condition(
        'NamespaceContentRemaining',
        remaining > 0,
        remaining > 0 ? 'SomeResourcesRemain' : 'ContentRemoved',
        `${remaining} objects remain`,
      ),
      condition(
        'NamespaceFinalizersRemaining',
        finalizing > 0,
        finalizing > 0 ? 'SomeFinalizersRemain' : 'ContentHasNoFinalizers',
        `${finalizing} objects have finalizers`,
      ),
    ];
    // A condition keeps its time for as long as its status stays, so that looking again changes nothing.
    status['conditions'] = wanted.map((next) => {
      const same = old.find((one) => one.type === (next as { type: string }).type);
      return same?.status === (next as { status: string }).status
        ? { ...next, lastTransitionTime: (same as { lastTransitionTime?: string }).lastTransitionTime ?? now }
        : next;
    });
  }

  const stopWatching = store.watch({
    onEvent(event) {
      if (event.resource === 'namespaces') queue.add(event.name);
      else if (event.type === 'DELETED' && event.namespace !== '') {
        const namespace = reader.get(resources.namespaces, event.namespace);
        const isDefault = event.name === 'default' || event.name === 'kube-root-ca.crt';
        if (isDefault || namespace?.metadata.deletionTimestamp !== undefined) queue.add(event.namespace);
      }
    },
  });
  for (const entry of store.list('namespaces').items) queue.add(entry.name);
  return {
    async stop() {
      stopWatching();
      await queue.stop();
    },
  };
}
