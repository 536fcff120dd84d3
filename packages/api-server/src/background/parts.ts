import type { KubeObject } from '@godwit/api';
import type { Logger } from '@godwit/core/logger';
import type { StoreEvent } from '@godwit/store';
import { ApiError } from '../api-error.ts';
import type { KindRegistry } from '../kinds/kind-registry.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { removeObject } from '../objects/object-removal.ts';
import type { ObjectService, ServiceParts } from '../objects/object-service.ts';
import { internalContext } from '../objects/write-context.ts';
import type { UserInfo } from '../plugins.ts';
import type { DeleteOptions } from '../objects/delete-options.ts';

export interface BackgroundParts extends ServiceParts {
  readonly service: ObjectService;
  readonly registry: KindRegistry;
  readonly log: Logger;
}

/** A loop over the event log. Starts when made. */
export interface BackgroundLoop {
  stop(): Promise<void>;
}

export type OnEvent = (event: StoreEvent) => void;

function isReason(error: unknown, reasons: readonly string[]): boolean {
  return error instanceof ApiError && reasons.includes(error.reason);
}

/** Deletes; nothing happens when the object is gone already or another one has its name. */
export async function removeQuietly(
  parts: BackgroundParts,
  kind: ServedKind,
  object: KubeObject,
  user: UserInfo,
  options: Partial<DeleteOptions> = {},
): Promise<void> {
  const { name = '', namespace = '', uid } = object.metadata;
  try {
    await removeObject(parts, kind, namespace, name, { dryRun: false, uid, ...options }, internalContext(user));
  } catch (error) {
    if (!isReason(error, ['NotFound', 'Conflict'])) throw error;
  }
}

/** Changes an object if it is still the same one; `mutate` gets a copy. */
export async function modifyQuietly(
  parts: BackgroundParts,
  kind: ServedKind,
  object: KubeObject,
  user: UserInfo,
  mutate: (copy: KubeObject) => void,
  subresource = '',
): Promise<void> {
  const { name = '', namespace = '', uid } = object.metadata;
  const make = (old: KubeObject): KubeObject => {
    if (old.metadata.uid !== uid)
      throw new ApiError({ code: 404, reason: 'NotFound', message: 'another object has its name' });
    const copy = structuredClone(old);
    mutate(copy);
    return copy;
  };
  try {
    await parts.service.update(kind, { namespace, name, subresource }, make, internalContext(user));
  } catch (error) {
    if (!isReason(error, ['NotFound'])) throw error;
  }
}

/** Removes a finalizer from a copy. */
export function dropFinalizer(copy: KubeObject, finalizer: string): void {
  const left = (copy.metadata.finalizers ?? []).filter((one) => one !== finalizer);
  if (left.length > 0) copy.metadata.finalizers = left;
  else delete copy.metadata.finalizers;
}
