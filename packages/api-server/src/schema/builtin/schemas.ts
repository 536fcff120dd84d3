import type { JsonSchema } from '../types.ts';
import { messageOf } from './messages.ts';
import type { Message, MessageField } from './messages.ts';

const SCALAR_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  s: { type: 'string' },
  b: { type: 'boolean' },
  i32: { type: 'integer', format: 'int32' },
  i64: { type: 'integer', format: 'int64' },
  f64: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  time: { type: 'string', format: 'date-time' },
  micro: {
    type: 'string',
    format: 'date-time',
    pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}(Z|[+-]\\d{2}:\\d{2})$',
  },
  qty: { format: 'quantity', anyOf: [{ type: 'string' }, { type: 'number' }] },
  ios: { 'x-kubernetes-int-or-string': true },
  raw: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  fields: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  strs: { type: 'array', items: { type: 'string' } },
  jsonschema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
};

const byMessage = new Map<string, JsonSchema>();
const names = new WeakMap<JsonSchema, string>();

/** Schema of the message called `package.Message`; one object per message, shared wherever it is used. */
export function messageSchema(name: string): JsonSchema | undefined {
  const known = byMessage.get(name);
  if (known) return known;
  const message = messageOf(name);
  if (!message) return undefined;
  const schema = build(message);
  byMessage.set(name, schema);
  names.set(schema, name);
  return schema;
}

/** The `package.Message` a schema object stands for; undefined for schemas made elsewhere. */
export function messageNameOf(schema: JsonSchema): string | undefined {
  return names.get(schema);
}

/** Schema of a whole object of a kind: its message plus `apiVersion` and `kind`. */
export function kindSchema(name: string): JsonSchema | undefined {
  const schema = messageSchema(name);
  if (!schema) return undefined;
  return { ...schema, properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, ...schema.properties } };
}

function build(message: Message): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  const required: string[] = [];
  for (const field of message.fields) {
    if (field.name === '~') {
      const inlined = typeSchema(field.type);
      Object.assign(properties, inlined.properties);
      required.push(...(inlined.required ?? []));
      continue;
    }
    properties[field.name] = fieldSchema(field);
    if (field.required) required.push(field.name);
  }
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    ...(message.atomic && { 'x-kubernetes-map-type': 'atomic' as const }),
  };
}

function fieldSchema(field: MessageField): JsonSchema {
  const one = typeSchema(field.type);
  const strategy = [
    ...(field.mergeKey === undefined ? [] : ['merge']),
    ...(field.retainKeys ? ['retainKeys'] : []),
    ...(field.replace ? ['replace'] : []),
  ].join(',');
  const patch: JsonSchema = {
    ...(strategy !== '' && { 'x-kubernetes-patch-strategy': strategy }),
    ...(field.mergeKey && { 'x-kubernetes-patch-merge-key': field.mergeKey }),
  };
  switch (field.shape) {
    case 'list':
      return {
        type: 'array',
        items: one,
        ...(field.listType && { 'x-kubernetes-list-type': field.listType }),
        ...(field.listKeys.length > 0 && { 'x-kubernetes-list-map-keys': field.listKeys }),
        ...patch,
      };
    case 'map':
      return {
        type: 'object',
        additionalProperties: one,
        ...(field.listType === 'atomic' && { 'x-kubernetes-map-type': 'atomic' as const }),
        ...patch,
      };
    case 'one':
      if (field.fallback !== undefined) return { ...one, default: field.fallback };
      return strategy === '' ? one : { ...one, ...patch };
  }
}

function typeSchema(type: string): JsonSchema {
  const schema = SCALAR_SCHEMAS[type] ?? messageSchema(type);
  // The message tables resolve every type when they are read.
  if (!schema) throw new Error(`Message table: no schema for type ${type}`);
  return schema;
}
