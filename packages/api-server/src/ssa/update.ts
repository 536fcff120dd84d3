import { rfc3339 } from '@godwit/core/clock';
import { isObject, jsonEqual } from '@godwit/core/json';
import type { JsonSchema } from '../schema/types.ts';
import { compareObjects } from './field-set.ts';
import { differenceBelow, NO_FIELDS, toFieldsV1, union } from './fields.ts';
import { isSameManager, readManagers, writeManagers } from './managers.ts';
import type { ManagedFieldsEntry, Manager } from './managers.ts';
import { objectSchema } from './parts.ts';

export interface UpdateRequest {
  /** The object before the write with its managedFields; undefined on create. */
  readonly before: Readonly<Record<string, unknown>> | undefined;
  /** The object as it will be stored. */
  readonly after: Readonly<Record<string, unknown>>;
  readonly schema: JsonSchema | undefined;
  readonly manager: string;
  readonly apiVersion: string;
  /** `status`, or empty for the main resource. */
  readonly subresource: string;
  readonly nowMs: number;
}

/**
 * The managedFields after a write that is no apply: the writer owns what it changed and others lose it. An existing object
 * without any entries stays untracked.
 */
export function trackUpdate(request: UpdateRequest): ManagedFieldsEntry[] {
  const { before, after, nowMs } = request;
  const metadata = before?.['metadata'];
  const managers = readManagers(isObject(metadata) ? metadata['managedFields'] : undefined);
  if (before !== undefined && managers.length === 0) return [];
  const { changed, removed } = compareObjects(before ?? {}, after, objectSchema(request.schema));

  const { manager, apiVersion, subresource } = request;
  const id = { manager, operation: 'Update', apiVersion, subresource } as const;
  const mine = managers.find((one) => isSameManager(one, id));
  const lost = union(changed, removed);
  const others = managers
    .filter((one) => one !== mine)
    .map((one) => ({ ...one, fields: differenceBelow(one.fields, lost) }));
  const fields = union(differenceBelow(mine?.fields ?? NO_FIELDS, removed), changed);
  const time = mine && jsonEqual(toFieldsV1(mine.fields), toFieldsV1(fields)) ? mine.time : rfc3339(nowMs);
  const own: Manager = { ...id, time, fields };
  return writeManagers([own, ...others]);
}
