import { isObject } from '@godwit/core/json';
import type { Cause } from '../api-error.ts';

/** The value below `path` (`spec.nodeName`), or undefined. */
export function fieldAt(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split('.')) {
    if (!isObject(value)) return undefined;
    value = value[key];
  }
  return value;
}

/** Text of the value below `path`; empty when absent. */
export function textAt(object: unknown, path: string): string {
  const value = fieldAt(object, path);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** The object below `path`, made on the way when absent. */
export function objectAt(object: unknown, path: string): Record<string, unknown> {
  let value = object;
  for (const key of path.split('.')) {
    if (!isObject(value)) return {};
    if (!isObject(value[key])) value[key] = {};
    value = value[key];
  }
  return isObject(value) ? value : {};
}

/** The objects of the list below `path`; empty when absent. */
export function itemsAt(object: unknown, path: string): Record<string, unknown>[] {
  const value = fieldAt(object, path);
  return Array.isArray(value) ? value.filter((item) => isObject(item)) : [];
}

/** Sets fields that are absent. */
export function fillIn(target: Record<string, unknown>, defaults: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(defaults)) if (target[key] === undefined) target[key] = value;
}

export function required(field: string): Cause {
  return { reason: 'FieldValueRequired', message: 'Required value', field };
}

export function immutable(field: string): Cause {
  return { reason: 'FieldValueInvalid', message: 'Invalid value: field is immutable', field };
}

export function bad(field: string, message: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${message}`, field };
}

export function forbiddenField(field: string, message: string): Cause {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${message}`, field };
}

/** Says nothing about a field that is absent. */
export function unsupported(field: string, value: unknown, supported: readonly string[]): Cause[] {
  if (value === undefined || value === null || supported.some((one) => one === value)) return [];
  const known = supported.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${known}`;
  return [{ reason: 'FieldValueNotSupported', message, field }];
}
