import { names, resources } from '@godwit/api';
import type { Pod } from '@godwit/api';
import { itemsAt, textAt } from '../kinds/fields.ts';
import { dropFinalizer, modifyQuietly } from './parts.ts';
import type { BackgroundLoop, BackgroundParts } from './parts.ts';
import { systemUser } from './system-user.ts';
import { WorkQueue } from './work-queue.ts';

const USER = systemUser('pvc-protection-controller');

function claimsOf(pod: unknown): string[] {
  return itemsAt(pod, 'spec.volumes').flatMap((volume) => textAt(volume, 'persistentVolumeClaim.claimName') || []);
}

/** A pod that has been given a node and has not ended holds its claims. */
function holds(pod: Pod, claim: string): boolean {
  const phase = pod.status?.phase;
  return Boolean(pod.spec.nodeName) && phase !== 'Succeeded' && phase !== 'Failed' && claimsOf(pod).includes(claim);
}

/** Lets deleted claims go when no pod uses them, and deleted volumes when no claim is bound to them. */
export function startStorageProtection(parts: BackgroundParts): BackgroundLoop {
  const { store, registry, reader, clock, log } = parts;
  const queue = new WorkQueue(release, clock, log);

  async function release(key: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const resource = namespace === '' ? resources.persistentVolumes : resources.persistentVolumeClaims;
    const finalizer = namespace === '' ? names.pvProtectionFinalizer : names.pvcProtectionFinalizer;
    const kind = registry.find(resource.group, resource.version, resource.plural);
    const object = reader.get(resource, name, namespace);
    if (!kind || object?.metadata.deletionTimestamp === undefined) return;
    if (!(object.metadata.finalizers ?? []).includes(finalizer)) return;
    if (namespace === '') {
      if (textAt(object, 'status.phase') === 'Bound') return;
    } else {
      // The cast is safe: the reader returns objects of the kind it was asked for.
      const pods = reader.list(resources.pods, namespace) as Pod[];
      if (pods.some((pod) => holds(pod, name))) return;
    }
    await modifyQuietly(parts, kind, object, USER, (copy) => dropFinalizer(copy, finalizer));
  }

  const stopWatching = store.watch({
    onEvent(event) {
      if (event.resource === 'persistentvolumes') queue.add(`/${event.name}`);
      else if (event.resource === 'persistentvolumeclaims') queue.add(`${event.namespace}/${event.name}`);
      else if (event.resource === 'pods')
        for (const claim of claimsOf(event.value)) queue.add(`${event.namespace}/${claim}`);
    },
  });
  for (const resource of ['persistentvolumes', 'persistentvolumeclaims']) {
    for (const entry of store.list(resource).items) queue.add(`${entry.namespace}/${entry.name}`);
  }
  return {
    async stop() {
      stopWatching();
      await queue.stop();
    },
  };
}
