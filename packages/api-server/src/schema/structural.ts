import { compilePattern } from './patterns.ts';
import { pruneAndDefault } from './prune.ts';
import type { Cause, CauseReason, JsonSchema } from './types.ts';
import { validateSchema } from './validate.ts';

type Report = (reason: CauseReason, field: string, message: string) => void;

const TYPES = new Set(['object', 'array', 'string', 'integer', 'number', 'boolean']);
const EXTENSIONS = [
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
] as const satisfies (keyof JsonSchema)[];
const NOT_IN_JUNCTORS = [
  'type',
  'default',
  'description',
  'title',
  'nullable',
  'additionalProperties',
  ...EXTENSIONS,
] as const;
const REFUSED = ['$ref', '$schema', 'id', 'definitions', 'dependencies', 'patternProperties', 'additionalItems'];

/**
 * What keeps a CRD's schema from being structural, with fields relative to the schema (`properties[spec].type`); empty
 * when it may be served. Rules as documented for apiextensions.k8s.io/v1, CEL aside.
 */
export function checkStructural(schema: JsonSchema): Cause[] {
  const causes: Cause[] = [];
  const report: Report = (reason, field, message) => causes.push({ reason, field, message });
  if (schema.type !== 'object') report('FieldValueInvalid', 'type', 'must be object at the root');
  checkNode(schema, '', true, report);
  return causes;
}

function checkNode(schema: JsonSchema, path: string, isRoot: boolean, report: Report): void {
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  const preserve = schema['x-kubernetes-preserve-unknown-fields'];
  if (schema.type === undefined) {
    if (!intOrString && preserve !== true) {
      report('FieldValueRequired', at(path, 'type'), 'must not be empty for specified object fields');
    }
  } else if (!TYPES.has(schema.type)) {
    report('FieldValueNotSupported', at(path, 'type'), `Unsupported value: ${JSON.stringify(schema.type)}`);
  } else if (intOrString) {
    report('FieldValueForbidden', at(path, 'type'), 'must be empty if x-kubernetes-int-or-string is true');
  }
  if (preserve === false) {
    report('FieldValueInvalid', at(path, 'x-kubernetes-preserve-unknown-fields'), 'must be true or undefined');
  }
  if (schema['x-kubernetes-embedded-resource'] && schema.type !== 'object') {
    report('FieldValueInvalid', at(path, 'type'), 'must be object if x-kubernetes-embedded-resource is true');
  }
  if (schema['x-kubernetes-embedded-resource'] && preserve !== true && schema.properties === undefined) {
    report('FieldValueRequired', at(path, 'properties'), 'must not be empty if x-kubernetes-embedded-resource is true');
  }
  for (const key of REFUSED) {
    if (Object.hasOwn(schema, key)) report('FieldValueForbidden', at(path, key), 'is not supported');
  }
  checkValueRules(schema, path, report);
  checkList(schema, path, report);
  checkChildren(schema, path, isRoot, report);
  checkDefault(schema, path, report);
  checkJunctors(schema, schema, path, report);
}

function checkValueRules(schema: JsonSchema, path: string, report: Report): void {
  if (schema.uniqueItems) report('FieldValueForbidden', at(path, 'uniqueItems'), 'uniqueItems cannot be set to true');
  if (schema.pattern !== undefined && !compilePattern(schema.pattern)) {
    report('FieldValueInvalid', at(path, 'pattern'), `must be a valid regular expression: ${schema.pattern}`);
  }
}

function checkList(schema: JsonSchema, path: string, report: Report): void {
  if (schema.type === 'array' && schema.items === undefined) {
    report('FieldValueRequired', at(path, 'items'), 'must be specified');
  }
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (listType === undefined && keys.length === 0) return;
  if (schema.type !== 'array') {
    report('FieldValueInvalid', at(path, 'type'), 'must be array if x-kubernetes-list-type is specified');
  }
  const items = schema.items ?? {};
  if (listType === 'set') {
    const isScalar = items.type !== 'object' && items.type !== 'array';
    if (!isScalar && items['x-kubernetes-map-type'] !== 'atomic' && items['x-kubernetes-list-type'] !== 'atomic') {
      report('FieldValueInvalid', at(path, 'items'), 'items of a set list must be scalar or atomic');
    }
  } else if (listType === 'map') {
    const keysField = at(path, 'x-kubernetes-list-map-keys');
    if (keys.length === 0)
      report('FieldValueRequired', keysField, 'must not be empty if x-kubernetes-list-type is map');
    for (const [i, key] of keys.entries()) {
      const property = items.properties?.[key];
      if (!property) {
        report('FieldValueInvalid', `${keysField}[${i}]`, `entry ${key} must exist in items.properties`);
      } else if (!items.required?.includes(key) && property.default === undefined) {
        report(
          'FieldValueRequired',
          at(path, `items.properties[${key}].default`),
          'key must be required or have a default',
        );
      }
    }
  } else if (keys.length > 0) {
    report(
      'FieldValueForbidden',
      at(path, 'x-kubernetes-list-map-keys'),
      'must be empty if x-kubernetes-list-type is not map',
    );
  }
}

function checkChildren(schema: JsonSchema, path: string, isRoot: boolean, report: Report): void {
  const { properties, additionalProperties, items } = schema;
  if (additionalProperties !== undefined && properties !== undefined) {
    report(
      'FieldValueForbidden',
      at(path, 'additionalProperties'),
      'additionalProperties and properties are mutually exclusive',
    );
  }
  if (additionalProperties === false) {
    report('FieldValueForbidden', at(path, 'additionalProperties'), 'additionalProperties cannot be set to false');
  }
  if (isRoot && additionalProperties !== undefined) {
    report('FieldValueForbidden', at(path, 'additionalProperties'), 'must not be used at the root');
  }
  for (const [key, child] of Object.entries(properties ?? {})) {
    const field = at(path, `properties[${key}]`);
    if ((isRoot || schema['x-kubernetes-embedded-resource']) && key === 'metadata') checkMetadata(child, field, report);
    checkNode(child, field, false, report);
  }
  if (typeof additionalProperties === 'object')
    checkNode(additionalProperties, at(path, 'additionalProperties'), false, report);
  if (items) checkNode(items, at(path, 'items'), false, report);
}

function checkMetadata(schema: JsonSchema, path: string, report: Report): void {
  const extra = Object.keys(schema.properties ?? {}).filter((key) => key !== 'name' && key !== 'generateName');
  if (extra.length > 0) {
    report(
      'FieldValueForbidden',
      at(path, 'properties'),
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
  }
}

function checkDefault(schema: JsonSchema, path: string, report: Report): void {
  if (schema.default === undefined) return;
  const field = at(path, 'default');
  const isResource = schema['x-kubernetes-embedded-resource'] === true;
  const { pruned } = pruneAndDefault(schema, schema.default, { preserveRoot: isResource });
  if (pruned.length > 0) report('FieldValueInvalid', field, `must not have unknown fields: ${pruned.join(', ')}`);
  for (const cause of validateSchema(schema, schema.default)) {
    report(cause.reason, cause.field === '' ? field : `${field}.${cause.field}`, cause.message);
  }
}

/** Schemas below allOf, anyOf, oneOf and not may only restrict what the structure outside already describes. */
function checkJunctors(part: JsonSchema, structure: JsonSchema | undefined, path: string, report: Report): void {
  const junctors = [
    ...(['allOf', 'anyOf', 'oneOf'] as const).flatMap((name) =>
      (part[name] ?? []).map((schema, i) => [`${name}[${i}]`, schema] as const),
    ),
    ...(part.not ? [['not', part.not] as const] : []),
  ];
  for (const [name, schema] of junctors) checkRestriction(schema, structure, at(path, name), report);
}

function checkRestriction(part: JsonSchema, structure: JsonSchema | undefined, path: string, report: Report): void {
  const allowsTypes = structure?.['x-kubernetes-int-or-string'] === true;
  for (const key of NOT_IN_JUNCTORS) {
    if (part[key] === undefined || (key === 'type' && allowsTypes)) continue;
    report('FieldValueForbidden', at(path, key), 'must be empty to be structural');
  }
  checkValueRules(part, path, report);
  for (const [key, child] of Object.entries(part.properties ?? {})) {
    const field = at(path, `properties[${key}]`);
    const known = structure?.properties?.[key] ?? asSchema(structure?.additionalProperties);
    if (!known && structure?.['x-kubernetes-preserve-unknown-fields'] !== true) {
      report('FieldValueRequired', field, 'must be specified outside of the junctors');
    }
    checkRestriction(child, known, field, report);
  }
  if (part.items) checkRestriction(part.items, structure?.items, at(path, 'items'), report);
  checkJunctors(part, structure, path, report);
}

function asSchema(value: boolean | JsonSchema | undefined): JsonSchema | undefined {
  return typeof value === 'object' ? value : undefined;
}

function at(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}
