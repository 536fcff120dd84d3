import type { KubeObject, ResourceKind, Stored } from '@godwit/api';
import type { KubeClient } from '@godwit/kube-client';

/** The same client, but every object a write answers with is handed to `absorb` first. */
export function writeThrough(
  client: KubeClient,
  absorb: (resource: ResourceKind, object: Stored<KubeObject>) => void,
): KubeClient {
  const taken = <T extends KubeObject>(resource: ResourceKind, object: Stored<T>): Stored<T> => {
    // The answer to a write that removed the last finalizer is the last state of an object that is gone.
    const leaving = object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0;
    if (!leaving) absorb(resource, object);
    return object;
  };
  return {
    get: (resource, name, namespace) => client.get(resource, name, namespace),
    list: (resource, options) => client.list(resource, options),
    async create(resource, object) {
      return taken(resource, await client.create(resource, object));
    },
    async update(resource, object, subresource) {
      return taken(resource, await client.update(resource, object, subresource));
    },
    async patch<T extends KubeObject>(...args: Parameters<KubeClient['patch']>) {
      return taken(args[0], await client.patch<T>(...args));
    },
    delete: (resource, name, namespace, options) => client.delete(resource, name, namespace, options),
    request: (method, path, body, contentType) => client.request(method, path, body, contentType),
    watch: (resource, options) => client.watch(resource, options),
    close: () => client.close(),
  };
}
