import { specDescriptions, statusTypes } from './status-types.ts';
import { wireTypes } from './wire-types.ts';

/** The part of a CRD schema that `expand` makes. */
export interface ExpandedSchema {
  type?: string;
  description?: string;
  nullable?: true;
  format?: string;
  properties?: Record<string, ExpandedSchema>;
  required?: string[];
  items?: ExpandedSchema;
  additionalProperties?: ExpandedSchema;
  anyOf?: { type: string }[];
  pattern?: string;
  'x-kubernetes-int-or-string'?: true;
  'x-kubernetes-preserve-unknown-fields'?: true;
}

const QUANTITY_PATTERN =
  '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$';

function scalar(type: string): ExpandedSchema | undefined {
  switch (type) {
    case 'string':
    case 'boolean':
    case 'number':
      return { type };
    case 'integer':
      return { type, format: 'int64' };
    case 'time':
      return { type: 'string', format: 'date-time' };
    case 'quantity':
      return {
        'x-kubernetes-int-or-string': true,
        anyOf: [{ type: 'integer' }, { type: 'string' }],
        pattern: QUANTITY_PATTERN,
      };
    case 'intOrString':
      return { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] };
    case 'metadata':
    case 'object':
      return { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    default:
      return undefined;
  }
}

/** Structural schema of a type of the wire table. Throws for a name that is not in the table: a defect of the table. */
export function expand(type: string): ExpandedSchema {
  if (type.startsWith('[]')) return { type: 'array', items: expand(type.slice(2)) };
  if (type.startsWith('map:')) return { type: 'object', additionalProperties: expand(type.slice(4)) };
  const simple = scalar(type);
  if (simple) return simple;
  const fields = wireTypes[type];
  if (!fields) throw new Error(`wire type ${type} is not in the table`);
  const entries = Object.entries(fields).map(([field, fieldType]) => {
    const name = field.replace('!', '');
    return [name, described(expand(fieldType), specDescriptions[`${type}.${name}`])] as const;
  });
  const required = Object.keys(fields)
    .filter((name) => name.endsWith('!'))
    .map((name) => name.slice(0, -1));
  return {
    type: 'object',
    ...(entries.length === 0
      ? { 'x-kubernetes-preserve-unknown-fields': true as const }
      : { properties: Object.fromEntries(entries) }),
    ...(required.length === 0 ? {} : { required }),
  };
}

function described(schema: ExpandedSchema, description: string | undefined): ExpandedSchema {
  return description === undefined || description === '' ? schema : { ...schema, description };
}

/** Schema of a type of the table of statuses: every field may be null, and there may be others. */
export function expandStatus(type: string): ExpandedSchema {
  if (type.startsWith('[]')) return { type: 'array', items: expandStatus(type.slice(2)) };
  const fields = statusTypes[type];
  if (!fields) return expand(type);
  const properties = Object.entries(fields).map(([name, value]) => {
    const [fieldType = '', ...words] = value.split(' ');
    return [name, { ...described(expandStatus(fieldType), words.join(' ')), nullable: true as const }] as const;
  });
  return {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
    properties: Object.fromEntries(properties),
  };
}
