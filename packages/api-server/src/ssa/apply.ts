import { rfc3339 } from '@godwit/core/clock';
import { isObject, jsonEqual } from '@godwit/core/json';
import { pruneAndDefault } from '../schema/prune.ts';
import type { JsonSchema } from '../schema/types.ts';
import { ApplyError } from './errors.ts';
import { compareObjects, ownedFields } from './field-set.ts';
import {
  difference,
  differenceBelow,
  fieldPaths,
  intersection,
  isEmpty,
  NO_FIELDS,
  toFieldsV1,
  union,
  withParents,
} from './fields.ts';
import type { Fields } from './fields.ts';
import { isSameManager, readManagers, writeManagers } from './managers.ts';
import type { ManagedFieldsEntry, Manager } from './managers.ts';
import { mergeTyped, withoutFields } from './merge.ts';
import { objectSchema, refuseDuplicates } from './parts.ts';

export interface ApplyRequest {
  /** The stored object with its managedFields; undefined when the apply creates it. */
  readonly live: Readonly<Record<string, unknown>> | undefined;
  /** What the client sent, without defaults; must not hold managedFields. */
  readonly applied: Readonly<Record<string, unknown>>;
  readonly schema: JsonSchema | undefined;
  readonly manager: string;
  readonly apiVersion: string;
  /** `status`, or empty for the main resource. */
  readonly subresource: string;
  readonly force: boolean;
  readonly nowMs: number;
}

/** One cause of the 409 reply. */
export interface ApplyConflict {
  readonly reason: 'FieldManagerConflict';
  readonly message: string;
  readonly field: string;
}

export type ApplyResult =
  | { readonly kind: 'applied'; readonly object: Record<string, unknown>; readonly managedFields: ManagedFieldsEntry[] }
  | { readonly kind: 'conflict'; readonly conflicts: ApplyConflict[] };

const NO_CONFLICT_NAME = 'before-first-apply';

/**
 * Server-side apply: merges what a manager wants into the live object, removes what it wanted before and nobody else
 * owns, and works out who owns what. The object has neither defaults nor the new managedFields yet; a repeated equal apply
 * gives equal entries, times included. Throws `ApplyError` for fields that are not in the schema.
 */
export function applyServerSide(request: ApplyRequest): ApplyResult {
  const { live, applied, force } = request;
  const schema = objectSchema(request.schema);
  const { pruned } = pruneAndDefault(schema, applied);
  const unknown = pruned[0];
  if (unknown !== undefined) throw new ApplyError(`.${unknown}: field not declared in schema`);
  refuseDuplicates(applied, schema);

  const id = {
    manager: request.manager,
    operation: 'Apply',
    apiVersion: request.apiVersion,
    subresource: request.subresource,
  } as const;
  const all = managersOf(live, schema, request);
  const mine = all.find((one) => isSameManager(one, id));
  const others = all.filter((one) => one !== mine);
  const wanted = ownedFields(applied, schema);

  const merged = mergeTyped(live, applied, schema);
  const kept = others.reduce((fields, one) => union(fields, one.fields), wanted);
  const dropped = difference(withParents(mine?.fields ?? NO_FIELDS), withParents(kept));
  const object = withoutFields(merged, withoutMetadataItself(dropped), schema);
  // Both were objects, so their merge is one.
  if (!isObject(object)) throw new ApplyError('The applied configuration is no object');

  const { changed, removed } =
    live === undefined ? { changed: NO_FIELDS, removed: NO_FIELDS } : compareObjects(live, object, schema);
  const conflicts = others
    .map((one) => ({ one, fields: intersection(one.fields, changed) }))
    .filter(({ fields }) => !isEmpty(fields));
  if (conflicts.length > 0 && !force)
    return { kind: 'conflict', conflicts: conflicts.flatMap(({ one, fields }) => causes(one, fields)) };

  const lost = union(changed, removed);
  const remaining = others.map((one) => ({ ...one, fields: differenceBelow(one.fields, lost) }));
  const time = mine && jsonEqual(toFieldsV1(mine.fields), toFieldsV1(wanted)) ? mine.time : rfc3339(request.nowMs);
  return { kind: 'applied', object, managedFields: writeManagers([{ ...id, time, fields: wanted }, ...remaining]) };
}

/** Managers of the live object; one that nobody tracked so far belongs as a whole to a stand-in. */
function managersOf(live: ApplyRequest['live'], schema: JsonSchema, request: ApplyRequest): Manager[] {
  if (live === undefined) return [];
  const metadata = live['metadata'];
  const managers = readManagers(isObject(metadata) ? metadata['managedFields'] : undefined);
  if (managers.length > 0) return managers;
  const { apiVersion, nowMs } = request;
  const fields = ownedFields(live, schema);
  return [
    { manager: NO_CONFLICT_NAME, operation: 'Update', apiVersion, subresource: '', time: rfc3339(nowMs), fields },
  ];
}

/** `metadata` is the parent of owned labels but never goes with them. */
function withoutMetadataItself(fields: Fields): Fields {
  const metadata = fields.children.get('f:metadata');
  if (!metadata) return fields;
  return { self: false, children: new Map(fields.children).set('f:metadata', { ...metadata, self: false }) };
}

function causes(owner: Manager, fields: Fields): ApplyConflict[] {
  const using = owner.operation === 'Update' ? ` using ${owner.apiVersion}` : '';
  const subresource = owner.subresource === '' ? '' : ` with subresource "${owner.subresource}"`;
  const message = `conflict with "${owner.manager}"${subresource}${using}`;
  return fieldPaths(fields).map((field) => ({ reason: 'FieldManagerConflict', message, field }));
}
