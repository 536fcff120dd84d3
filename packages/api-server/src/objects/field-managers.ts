import { apiVersionOf } from '@godwit/api';
import type { KubeObject, ObjectMeta } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import type { ServedKind } from '../kinds/served-kind.ts';
import { readManagers } from '../ssa/managers.ts';
import { trackUpdate } from '../ssa/update.ts';

export type ManagedFields = ObjectMeta['managedFields'];

/** Takes the list of managers that a client sent out of an object. */
export function takeManagedFields(object: KubeObject): ManagedFields {
  const { managedFields } = object.metadata;
  delete object.metadata.managedFields;
  return managedFields;
}

/** Gives an object a list of managers, or none when nobody owns anything. */
export function setManagedFields(object: KubeObject, entries: ManagedFields): void {
  if (entries && entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

export interface TrackedUpdate {
  readonly kind: ServedKind;
  readonly subresource: string;
  readonly old: KubeObject;
  /** As it will be stored, still with the managers of `old`. */
  readonly object: KubeObject;
  /** Whether anything but the managers differs. */
  readonly changed: boolean;
  /** The list that the client sent. */
  readonly asked: ManagedFields;
  readonly manager: string;
  readonly nowMs: number;
}

/**
 * The managers after a write that is no apply. Objects that were never applied server-side have none and cost nothing;
 * a client may replace the list, and ends tracking with a single empty entry.
 */
export function managersAfterUpdate(update: TrackedUpdate): ManagedFields {
  const { kind, subresource, old, object, manager, nowMs } = update;
  const base = subresource === '' ? baseOf(update.asked, old.metadata.managedFields) : old.metadata.managedFields;
  if (!update.changed || !base || base.length === 0) return base;
  return trackUpdate({
    before: { ...old, metadata: { ...old.metadata, managedFields: base } },
    after: object,
    schema: kind.schema,
    manager,
    apiVersion: apiVersionOf(kind),
    subresource,
    nowMs,
  });
}

/** Clients that know nothing of managers send none, which is no wish to drop them. */
function baseOf(asked: ManagedFields, stored: ManagedFields): ManagedFields {
  const [only, ...more] = asked ?? [];
  if (isObject(only) && Object.keys(only).length === 0 && more.length === 0) return undefined;
  return readManagers(asked).length > 0 ? asked : stored;
}
