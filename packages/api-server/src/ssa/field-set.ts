import { jsonEqual } from '@godwit/core/json';
import type { JsonSchema } from '../schema/types.ts';
import { difference, differenceBelow, fieldsOf, fromFieldsV1, LEAF, NO_FIELDS } from './fields.ts';
import type { Fields } from './fields.ts';
import { partsOf } from './parts.ts';

export interface Comparison {
  /** Fields that are new or have another value. */
  readonly changed: Fields;
  readonly removed: Fields;
}

/** What the server sets and nobody owns; `metadata` itself, but not labels and the like inside. */
const UNOWNED = fromFieldsV1({
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    '.': {},
    'f:name': {},
    'f:namespace': {},
    'f:uid': {},
    'f:resourceVersion': {},
    'f:generation': {},
    'f:creationTimestamp': {},
    'f:deletionTimestamp': {},
    'f:deletionGracePeriodSeconds': {},
    'f:managedFields': {},
    'f:selfLink': {},
  },
});

/** Every field a whole object sets, server-set ones left out: what its applier owns. */
export function ownedFields(object: unknown, schema: JsonSchema): Fields {
  return owned({ ...collect(object, schema), self: false });
}

/** A set of fields without those nobody owns. */
function owned(fields: Fields): Fields {
  return differenceBelow(fields, UNOWNED);
}

function collect(value: unknown, schema: JsonSchema | undefined): Fields {
  const parts = partsOf(value, schema);
  if (!parts || parts.entries.size === 0) return LEAF;
  return fieldsOf(
    false,
    [...parts.entries].map(([key, part]) => {
      const fields = collect(part.value, part.schema);
      return [key, key.startsWith('k:') ? { ...fields, self: true } : fields];
    }),
  );
}

/** Which fields differ between two states of an object; server-set ones are left out. */
export function compareObjects(before: unknown, after: unknown, schema: JsonSchema): Comparison {
  const { changed, removed } = compare(before, after, schema);
  return { changed: owned({ ...changed, self: false }), removed: owned({ ...removed, self: false }) };
}

function compare(before: unknown, after: unknown, schema: JsonSchema | undefined): Comparison {
  if (after === undefined) return { changed: NO_FIELDS, removed: everything(before, schema) };
  if (before === undefined) return { changed: everything(after, schema), removed: NO_FIELDS };
  const old = partsOf(before, schema);
  const fresh = partsOf(after, schema);
  if (!old || !fresh || old.kind !== fresh.kind) {
    if (jsonEqual(before, after)) return { changed: NO_FIELDS, removed: NO_FIELDS };
    const gone = old ? everything(before, schema) : NO_FIELDS;
    return { changed: fresh ? everything(after, schema) : LEAF, removed: difference(gone, LEAF) };
  }
  const changed: [string, Fields][] = [];
  const removed: [string, Fields][] = [];
  for (const key of new Set([...old.entries.keys(), ...fresh.entries.keys()])) {
    const [was, is] = [old.entries.get(key), fresh.entries.get(key)];
    const result = compare(was?.value, is?.value, (is ?? was)?.schema);
    changed.push([key, result.changed]);
    removed.push([key, result.removed]);
  }
  return { changed: fieldsOf(false, changed), removed: fieldsOf(false, removed) };
}

/** A value with all that is in it, its own path and those of maps and lists included. */
function everything(value: unknown, schema: JsonSchema | undefined): Fields {
  if (value === undefined) return NO_FIELDS;
  const parts = partsOf(value, schema);
  if (!parts) return LEAF;
  return fieldsOf(
    true,
    [...parts.entries].map(([key, part]) => [key, everything(part.value, part.schema)]),
  );
}
