import type { KubeObject } from '@godwit/api';
import type { ObjectStore } from '@godwit/store';
import type { KindRegistry } from '../kinds/kind-registry.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import type { ObjectReader } from '../plugins.ts';

/** A stored value as an object; every value in the store came through this package. */
export function storedObject(value: object): KubeObject {
  return value as KubeObject;
}

export function storeKeyOf(kind: ServedKind, namespace: string, name: string) {
  return { resource: kind.storeKey, namespace: kind.namespaced ? namespace : '', name };
}

/** Objects straight from the store. They are frozen: copy before changing. Kinds that are not served hold nothing. */
export function createObjectReader(store: ObjectStore, registry: KindRegistry): ObjectReader {
  return {
    get(resource, name, namespace = '') {
      const kind = registry.find(resource.group, resource.version, resource.plural);
      if (!kind) return undefined;
      const entry = store.get(storeKeyOf(kind, namespace, name));
      return entry && kind.read(storedObject(entry.value));
    },
    list(resource, namespace = '') {
      const kind = registry.find(resource.group, resource.version, resource.plural);
      if (!kind) return [];
      return store.list(kind.storeKey, namespace).items.map((entry) => kind.read(storedObject(entry.value)));
    },
  };
}
