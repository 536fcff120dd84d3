import type { JsonSchema } from '../schema/types.ts';
import type { Fields } from './fields.ts';
import { assemble, partsOf } from './parts.ts';

/** Lays an applied value over a live one: maps and keyed lists are merged, everything else is taken from `applied`. */
export function mergeTyped(live: unknown, applied: unknown, schema: JsonSchema | undefined): unknown {
  if (applied === undefined) return live;
  const [below, above] = [partsOf(live, schema), partsOf(applied, schema)];
  if (!below || !above || below.kind !== above.kind) return applied;
  const entries = new Map<string, unknown>([...below.entries].map(([key, part]) => [key, part.value]));
  for (const [key, part] of above.entries) entries.set(key, mergeTyped(entries.get(key), part.value, part.schema));
  return assemble(above.kind, entries);
}

/** A value without the given fields; removing a field removes what is in it. The root itself stays. */
export function withoutFields(value: unknown, fields: Fields, schema: JsonSchema | undefined): unknown {
  const parts = partsOf(value, schema);
  if (!parts || fields.children.size === 0) return value;
  const entries: [string, unknown][] = [];
  for (const [key, part] of parts.entries) {
    const below = fields.children.get(key);
    if (below?.self) continue;
    entries.push([key, below ? withoutFields(part.value, below, part.schema) : part.value]);
  }
  return assemble(parts.kind, entries);
}
