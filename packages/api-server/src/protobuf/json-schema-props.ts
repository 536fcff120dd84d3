import { ProtobufError } from './errors.ts';
import { asBytes, asDouble, asInteger, asText, lastFields, wireFields } from './wire.ts';
import type { WireValue } from './wire.ts';

type Shape = 's' | 's?' | 'b' | 'b?' | 'i' | 'f' | 'json' | 'schema' | 'items' | 'orBool' | 'docs' | 'rules';

/**
 * apiextensions.k8s.io/v1 `JSONSchemaProps`: field number, JSON name and shape (`[]` list, `{}` map, `?` kept when zero).
 * It refers to itself, so it stands apart from the message tables.
 */
const FIELDS = new Map<number, { name: string; shape: Shape; many: '' | '[]' | '{}' }>(
  `1 id s|2 $schema s|3 $ref s?|4 description s|5 type s|6 format s|7 title s|8 default json|9 maximum f
   |10 exclusiveMaximum b|11 minimum f|12 exclusiveMinimum b|13 maxLength i|14 minLength i|15 pattern s|16 maxItems i
   |17 minItems i|18 uniqueItems b|19 multipleOf f|20 enum []json|21 maxProperties i|22 minProperties i|23 required []s
   |24 items items|25 allOf []schema|26 oneOf []schema|27 anyOf []schema|28 not schema|29 properties {}schema
   |30 additionalProperties orBool|31 patternProperties {}schema|33 additionalItems orBool|34 definitions {}schema
   |35 externalDocs docs|36 example json|37 nullable b|38 x-kubernetes-preserve-unknown-fields b?
   |39 x-kubernetes-embedded-resource b|40 x-kubernetes-int-or-string b|41 x-kubernetes-list-map-keys []s
   |42 x-kubernetes-list-type s?|43 x-kubernetes-map-type s?|44 x-kubernetes-validations []rules`
    .split('|')
    .map((row) => {
      const [number, name = '', type = ''] = row.trim().split(' ');
      const many = type.startsWith('[]') ? '[]' : type.startsWith('{}') ? '{}' : '';
      // The cast is safe: the table above uses no other words.
      return [Number(number), { name, shape: type.slice(many.length) as Shape, many }];
    }),
);
const RULE = ['', 'rule', 'message', 'messageExpression', 'reason', 'fieldPath', 'optionalOldSelf'];
const MAX_DEPTH = 100;

/** Decodes a CRD schema to what its JSON form would have been. */
export function decodeJsonSchema(bytes: Uint8Array, depth = 0): Record<string, unknown> {
  if (depth > MAX_DEPTH)
    throw new ProtobufError('PROTOBUF_INVALID', 'A schema in a protobuf message is nested too deeply');
  const schema: Record<string, unknown> = {};
  for (const [number, value] of wireFields(bytes)) {
    const field = FIELDS.get(number);
    if (!field) continue;
    const { name, shape, many } = field;
    if (many === '[]') {
      const list = (schema[name] ??= []);
      if (Array.isArray(list)) list.push(decode(shape, value, depth));
    } else if (many === '{}') {
      const entry = lastFields(value);
      const map = (schema[name] ??= {}) as Record<string, unknown>;
      map[asText(entry.get(1) ?? new Uint8Array())] = decode(shape, entry.get(2) ?? new Uint8Array(), depth);
    } else {
      const decoded = decode(shape, value, depth);
      const isZero = decoded === undefined || decoded === '' || decoded === false;
      if (!isZero || shape.endsWith('?') || shape === 'json' || shape === 'orBool') schema[name] = decoded;
    }
  }
  return schema;
}

function decode(shape: Shape, value: WireValue, depth: number): unknown {
  switch (shape) {
    case 's':
    case 's?':
      return asText(value);
    case 'b':
    case 'b?':
      return asInteger(value) !== 0;
    case 'i':
      return asInteger(value);
    case 'f':
      return asDouble(value);
    case 'json':
      return json(asText(lastFields(value).get(1) ?? new Uint8Array()));
    case 'schema':
      return decodeJsonSchema(asBytes(value), depth + 1);
    case 'items': {
      const fields = [...wireFields(asBytes(value))];
      const single = fields.find(([number]) => number === 1);
      if (single) return decodeJsonSchema(asBytes(single[1]), depth + 1);
      return fields.map(([, item]) => decodeJsonSchema(asBytes(item), depth + 1));
    }
    case 'orBool': {
      const fields = lastFields(value);
      const schema = fields.get(2);
      return schema === undefined ? asInteger(fields.get(1) ?? 0n) !== 0 : decodeJsonSchema(asBytes(schema), depth + 1);
    }
    case 'docs': {
      const fields = lastFields(value);
      const description = asText(fields.get(1) ?? new Uint8Array());
      const url = asText(fields.get(2) ?? new Uint8Array());
      return { ...(description !== '' && { description }), ...(url !== '' && { url }) };
    }
    case 'rules': {
      const rule: Record<string, unknown> = {};
      for (const [number, part] of wireFields(asBytes(value))) {
        const name = RULE[number];
        if (!name) continue;
        const decoded = number === 6 ? asInteger(part) !== 0 : asText(part);
        if (decoded !== '' || name === 'rule') rule[name] = decoded;
      }
      return rule;
    }
  }
}

function json(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    throw new ProtobufError('PROTOBUF_INVALID', 'JSON embedded in a protobuf message cannot be read');
  }
}
