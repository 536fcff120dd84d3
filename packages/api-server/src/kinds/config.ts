import type { KubeObject } from '@godwit/api';
import { isObject, jsonEqual } from '@godwit/core/json';
import type { Cause } from '../api-error.ts';
import { fillIn, forbiddenField, immutable, required } from './fields.ts';
import type { Strategy } from './served-kind.ts';

const MAX_DATA_BYTES = 1024 * 1024;

function dataSize(object: KubeObject): number {
  let bytes = 0;
  for (const field of ['data', 'binaryData']) {
    const data = object[field];
    if (!isObject(data)) continue;
    for (const [key, value] of Object.entries(data)) bytes += key.length + Buffer.byteLength(String(value));
  }
  return bytes;
}

function validateData(object: KubeObject): Cause[] {
  const causes: Cause[] = [];
  for (const field of ['data', 'binaryData']) {
    const data = object[field];
    if (!isObject(data)) continue;
    for (const key of Object.keys(data)) {
      if (/^[-._a-zA-Z0-9]{1,253}$/.test(key) && key !== '.' && !key.startsWith('..')) continue;
      const message = `Invalid value: "${key}": a valid config key consists of alphanumeric characters, '-', '_' or '.'`;
      causes.push({ reason: 'FieldValueInvalid', message, field: `${field}[${key}]` });
    }
  }
  if (dataSize(object) > MAX_DATA_BYTES) {
    causes.push({
      reason: 'FieldValueTooLong',
      message: `Too long: may not be more than ${MAX_DATA_BYTES} bytes`,
      field: '',
    });
  }
  return causes;
}

function validateFrozen(object: KubeObject, old: KubeObject): Cause[] {
  if (old['immutable'] !== true) return [];
  return ['data', 'binaryData', 'immutable']
    .filter((field) => !jsonEqual(object[field], old[field]))
    .map((field) => forbiddenField(field, 'field is immutable when `immutable` is set'));
}

export const configMapStrategy: Strategy = { validate: validateData, validateUpdate: validateFrozen };

const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

export const secretStrategy: Strategy = {
  defaults(secret) {
    fillIn(secret, { type: 'Opaque' });
    const plain = secret['stringData'];
    if (!isObject(plain)) return;
    const data = isObject(secret['data']) ? secret['data'] : {};
    for (const [key, value] of Object.entries(plain)) data[key] = Buffer.from(String(value)).toString('base64');
    secret['data'] = data;
    delete secret['stringData'];
  },
  validate(secret) {
    const data = isObject(secret['data']) ? secret['data'] : {};
    const missing = (REQUIRED_KEYS[String(secret['type'])] ?? []).filter((key) => data[key] === undefined);
    return [...validateData(secret), ...missing.map((key) => required(`data[${key}]`))];
  },
  validateUpdate: (secret, old) => [
    ...(secret['type'] === old['type'] ? [] : [immutable('type')]),
    ...validateFrozen(secret, old),
  ],
};
