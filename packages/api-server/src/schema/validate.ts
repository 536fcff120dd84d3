import { isObject, jsonEqual } from '@godwit/core/json';
import { stringifyJson } from '@godwit/store';
import { hasFormat } from './formats.ts';
import { join, joinIndex } from './paths.ts';
import { patternOf } from './patterns.ts';
import type { Cause, CauseReason, JsonSchema } from './types.ts';
import { duplicates } from './uniqueness.ts';

type Report = (reason: CauseReason, field: string, message: string) => void;

/**
 * Every violation of a schema in a value that has been pruned and defaulted; empty when it is valid. Unknown fields are
 * none (pruning is their business) and CEL rules are not evaluated.
 */
export function validateSchema(schema: JsonSchema, value: unknown): Cause[] {
  const causes: Cause[] = [];
  check(schema, value, '', (reason, field, message) => causes.push({ reason, message, field }));
  return causes;
}

function check(schema: JsonSchema, value: unknown, path: string, report: Report): void {
  if (value === null && schema.nullable === true) return;
  if (!hasType(schema, value)) {
    const wanted = schema['x-kubernetes-int-or-string'] ? 'integer or string' : schema.type;
    report(
      'FieldValueTypeInvalid',
      path,
      invalid(typeName(value), path, `must be of type ${wanted}: "${typeName(value)}"`),
    );
    return;
  }
  if (schema.enum && !schema.enum.some((allowed) => jsonEqual(allowed, value))) {
    const supported = schema.enum.map((allowed) => stringifyJson(allowed)).join(', ');
    report('FieldValueNotSupported', path, `Unsupported value: ${shown(value)}: supported values: ${supported}`);
  }
  if (schema.format !== undefined && !hasFormat(schema.format, value)) {
    report('FieldValueInvalid', path, invalid(value, path, `must be of type ${schema.format}: ${shown(value)}`));
  }
  if (typeof value === 'number' || typeof value === 'bigint') checkNumber(schema, value, path, report);
  else if (typeof value === 'string') checkString(schema, value, path, report);
  else if (Array.isArray(value)) checkArray(schema, value, path, report);
  else if (isObject(value)) checkObject(schema, value, path, report);
  checkCombinations(schema, value, path, report);
}

function hasType(schema: JsonSchema, value: unknown): boolean {
  if (schema['x-kubernetes-int-or-string']) return typeof value === 'string' || isInteger(value);
  switch (schema.type) {
    case undefined:
      return true;
    case 'integer':
      return isInteger(value);
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint';
    case 'string':
    case 'boolean':
      return typeof value === schema.type;
    default:
      // A type of JSON Schema that structural schemas do not have; checkStructural refuses it.
      return false;
  }
}

function checkNumber(schema: JsonSchema, value: number | bigint, path: string, report: Report): void {
  const { minimum, maximum, multipleOf } = schema;
  if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum)) {
    const relation = schema.exclusiveMinimum ? 'greater than' : 'greater than or equal to';
    report('FieldValueInvalid', path, invalid(value, path, `should be ${relation} ${minimum}`));
  }
  if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum)) {
    const relation = schema.exclusiveMaximum ? 'less than' : 'less than or equal to';
    report('FieldValueInvalid', path, invalid(value, path, `should be ${relation} ${maximum}`));
  }
  if (multipleOf !== undefined) {
    const quotient = Number(value) / multipleOf;
    if (Math.abs(quotient - Math.round(quotient)) > 1e-9) {
      report('FieldValueInvalid', path, invalid(value, path, `should be a multiple of ${multipleOf}`));
    }
  }
}

function checkString(schema: JsonSchema, value: string, path: string, report: Report): void {
  const { minLength, maxLength } = schema;
  if (minLength !== undefined || maxLength !== undefined) {
    const length = codePoints(value);
    if (maxLength !== undefined && length > maxLength) {
      report('FieldValueTooLong', path, `Too long: may not be more than ${maxLength} characters`);
    }
    if (minLength !== undefined && length < minLength) {
      report('FieldValueInvalid', path, invalid(value, path, `should be at least ${minLength} chars long`));
    }
  }
  if (patternOf(schema)?.test(value) === false) {
    report('FieldValueInvalid', path, invalid(value, path, `should match '${schema.pattern}'`));
  }
}

function checkArray(schema: JsonSchema, value: unknown[], path: string, report: Report): void {
  const { minItems, maxItems, items } = schema;
  if (maxItems !== undefined && value.length > maxItems) {
    report('FieldValueTooMany', path, `Too many: ${value.length}: must have at most ${maxItems} items`);
  }
  if (minItems !== undefined && value.length < minItems) {
    report('FieldValueInvalid', path, invalid(value.length, path, `should have at least ${minItems} items`));
  }
  if (items) for (const [i, item] of value.entries()) check(items, item, joinIndex(path, i), report);
  for (const { index, shownKey } of duplicates(schema, value)) {
    report('FieldValueDuplicate', joinIndex(path, index), `Duplicate value: ${shownKey}`);
  }
}

function checkObject(schema: JsonSchema, value: Record<string, unknown>, path: string, report: Report): void {
  const count = Object.keys(value).length;
  const { minProperties, maxProperties, properties, additionalProperties } = schema;
  if (maxProperties !== undefined && count > maxProperties) {
    report('FieldValueTooMany', path, `Too many: ${count}: must have at most ${maxProperties} items`);
  }
  if (minProperties !== undefined && count < minProperties) {
    report('FieldValueInvalid', path, invalid(count, path, `should have at least ${minProperties} properties`));
  }
  const required = schema['x-kubernetes-embedded-resource']
    ? new Set([...(schema.required ?? []), 'apiVersion', 'kind'])
    : (schema.required ?? []);
  for (const key of required) {
    if (!Object.hasOwn(value, key)) report('FieldValueRequired', join(path, key), 'Required value');
  }
  for (const [key, item] of Object.entries(value)) {
    const property = properties && Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (property) check(property, item, join(path, key), report);
    else if (typeof additionalProperties === 'object') check(additionalProperties, item, join(path, key), report);
    else if (additionalProperties === false) report('FieldValueForbidden', join(path, key), 'Forbidden: unknown field');
  }
}

function checkCombinations(schema: JsonSchema, value: unknown, path: string, report: Report): void {
  for (const part of schema.allOf ?? []) check(part, value, path, report);
  if (schema.anyOf && !schema.anyOf.some((part) => accepts(part, value))) {
    report('FieldValueInvalid', path, invalid(value, path, 'must validate at least one schema (anyOf)'));
  }
  if (schema.oneOf && schema.oneOf.filter((part) => accepts(part, value)).length !== 1) {
    report('FieldValueInvalid', path, invalid(value, path, 'must validate one and only one schema (oneOf)'));
  }
  if (schema.not && accepts(schema.not, value)) {
    report('FieldValueInvalid', path, invalid(value, path, 'must not validate the schema (not)'));
  }
}

function accepts(schema: JsonSchema, value: unknown): boolean {
  return validateSchema(schema, value).length === 0;
}

/** Integers that a double cannot hold are `bigint`. */
function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isInteger(value);
}

/** Length as Go counts it. */
function codePoints(text: string): number {
  return text.length - (text.match(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g)?.length ?? 0);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return isInteger(value) ? 'integer' : typeof value;
}

function invalid(value: unknown, path: string, problem: string): string {
  return `Invalid value: ${shown(value)}: ${path === '' ? '<root>' : path} in body ${problem}`;
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? `"${typeName(value)}"` : stringifyJson(value);
}
