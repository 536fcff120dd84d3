import type { KubeObject, ResourceKind } from '@godwit/api';
import { notFound, resourceNotFound } from '../api-error.ts';
import type { KindRegistry } from '../kinds/kind-registry.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import type { ObjectReader, ObjectWriter } from '../plugins.ts';
import type { ObjectService } from './object-service.ts';
import { internalContext } from './write-context.ts';

/** The pipeline as code inside the server uses it. */
export function createObjectWriter(registry: KindRegistry, reader: ObjectReader, service: ObjectService): ObjectWriter {
  const kindOf = (resource: ResourceKind): ServedKind => {
    const kind = registry.find(resource.group, resource.version, resource.plural);
    if (!kind) throw resourceNotFound();
    return kind;
  };
  return {
    ...reader,
    async create(resource, object, user, options) {
      const namespace = object.metadata.namespace ?? '';
      const context = { ...internalContext(user), dryRun: options?.dryRun === true };
      return await service.create(kindOf(resource), namespace, object, context);
    },
    async modify(resource, name, namespace, mutate, user, subresource) {
      const kind = kindOf(resource);
      if (!reader.get(resource, name, namespace)) throw notFound(kind, name);
      const target = { namespace, name, subresource: subresource ?? '' };
      const make = (old: KubeObject): KubeObject => {
        const copy = structuredClone(old);
        mutate(copy);
        return copy;
      };
      return (await service.update(kind, target, make, internalContext(user))).object;
    },
  };
}
