import type { KubeObject } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import { isStoreError } from '@godwit/store';
import { conflict, forbidden, notFound } from '../api-error.ts';
import { fieldAt, objectAt } from '../kinds/fields.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { admissionRequest } from './admission.ts';
import type { DeleteOptions } from './delete-options.ts';
import { storedObject, storeKeyOf } from './object-reader.ts';
import type { ServiceParts } from './object-service.ts';
import { isFinished } from './update-rules.ts';
import type { WriteContext } from './write-context.ts';

export const CRD_CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';
const PERMANENT_NAMESPACES = new Set(['default', 'kube-system', 'kube-public']);

export interface Removed {
  readonly object: KubeObject;
  /** False: it waits for finalizers or for its grace period. */
  readonly gone: boolean;
}

function refuseMismatch(kind: ServedKind, object: KubeObject, options: DeleteOptions): void {
  const { name = '', uid, resourceVersion } = object.metadata;
  if (options.uid !== undefined && options.uid !== uid) {
    throw conflict(kind, name, `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    throw conflict(
      kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    );
  }
}

function finalizersAfter(kind: ServedKind, object: KubeObject, options: DeleteOptions): string[] {
  const before = object.metadata.finalizers ?? [];
  let finalizers = before;
  if (options.propagation !== undefined) {
    finalizers = before.filter((one) => one !== 'foregroundDeletion' && one !== 'orphan');
    if (options.propagation === 'Foreground') finalizers = [...finalizers, 'foregroundDeletion'];
    if (options.propagation === 'Orphan') finalizers = [...finalizers, 'orphan'];
  }
  if (
    kind.storeKey === 'customresourcedefinitions.apiextensions.k8s.io' &&
    !finalizers.includes(CRD_CLEANUP_FINALIZER)
  ) {
    finalizers = [...finalizers, CRD_CLEANUP_FINALIZER];
  }
  return finalizers;
}

/** The object as a delete leaves it, or the very same one when the delete changes nothing. */
function markDeleted(kind: ServedKind, old: KubeObject, options: DeleteOptions, nowMs: number): KubeObject {
  const object = structuredClone(old);
  const meta = object.metadata;
  const finalizers = finalizersAfter(kind, old, options);
  if (finalizers.length > 0) meta.finalizers = finalizers;
  else delete meta.finalizers;
  const grace = kind.strategy.gracePeriod?.(old, options.gracePeriodSeconds) ?? 0;
  if (meta.deletionTimestamp === undefined) {
    meta.deletionTimestamp = rfc3339(nowMs + grace * 1000);
    meta.deletionGracePeriodSeconds = grace;
    if (kind.generation !== 'none' || meta.generation !== undefined) meta.generation = (meta.generation ?? 0) + 1;
    if (kind.storeKey === 'namespaces') objectAt(object, 'status')['phase'] = 'Terminating';
    return object;
  }
  const shorter = grace < (meta.deletionGracePeriodSeconds ?? 0) && options.gracePeriodSeconds !== undefined;
  if (shorter) {
    meta.deletionTimestamp = rfc3339(nowMs + grace * 1000);
    meta.deletionGracePeriodSeconds = grace;
  }
  const changed = shorter || finalizers.join() !== (old.metadata.finalizers ?? []).join();
  return changed ? object : old;
}

/** Deletes by the rules of grace, finalizers and propagation. Rejects with 404, 409 (preconditions) or 403. */
export async function removeObject(
  parts: ServiceParts,
  kind: ServedKind,
  namespace: string,
  name: string,
  options: DeleteOptions,
  context: WriteContext,
): Promise<Removed> {
  const { store, admission, clock } = parts;
  const key = storeKeyOf(kind, namespace, name);
  for (;;) {
    const entry = store.get(key);
    if (!entry) throw notFound(kind, name);
    const old = kind.read(storedObject(entry.value));
    refuseMismatch(kind, old, options);
    if (kind.storeKey === 'namespaces' && PERMANENT_NAMESPACES.has(name)) {
      throw forbidden(kind, name, 'this namespace may not be deleted');
    }
    const request = admissionRequest('DELETE', kind, '', undefined, old, context);
    await admission.mutate(request, context.warnings);
    await admission.validate(request, context.warnings);

    const object = markDeleted(kind, old, options, clock.now());
    const gone = isFinished(kind, object);
    if (context.dryRun || (object === old && !gone)) return { object, gone };
    const change = { ...key, expected: entry.revision, value: kind.write(object) };
    try {
      // An object that goes at once is reported as it was, without marks of a deletion that took no time.
      if (gone) {
        const unmarked = fieldAt(old, 'metadata.deletionTimestamp') === undefined;
        await store.write({
          do: 'delete',
          ...key,
          expected: entry.revision,
          ...(unmarked ? {} : { value: change.value }),
        });
        return { object: old, gone };
      }
      const written = await store.write({ do: 'update', ...change });
      return { object: kind.read(storedObject(written.value)), gone };
    } catch (error) {
      if (!isStoreError(error, 'STORE_CONFLICT')) throw error;
    }
  }
}
