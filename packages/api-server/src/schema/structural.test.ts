import { describe, expect, it } from 'vitest';
import { checkStructural } from './structural.ts';
import type { JsonSchema } from './types.ts';

const spec = (schema: object): JsonSchema => ({ type: 'object', properties: { spec: schema as JsonSchema } });
const problems = (schema: object): [string, string][] =>
  checkStructural(spec(schema)).map(({ reason, field }) => [reason, field]);

describe('checkStructural', () => {
  it.each<[string, object]>([
    ['a plain object', { type: 'object', properties: { a: { type: 'string', default: 'x' } }, required: ['a'] }],
    [
      'int-or-string with its usual anyOf',
      { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }], pattern: '^x' },
    ],
    ['preserved unknown fields without type', { 'x-kubernetes-preserve-unknown-fields': true }],
    [
      'restrictions of known fields',
      {
        type: 'object',
        properties: { a: { type: 'integer' } },
        oneOf: [{ required: ['a'] }, { properties: { a: { minimum: 3 } } }],
      },
    ],
    [
      'a map list with required keys',
      {
        type: 'array',
        items: { type: 'object', properties: { n: { type: 'string' } }, required: ['n'] },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['n'],
      },
    ],
    [
      'an embedded resource',
      { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    ],
    ['a CEL rule', { type: 'object', 'x-kubernetes-validations': [{ rule: 'true' }] }],
  ])('accepts %s', (_name, schema) => expect(problems(schema)).toEqual([]));

  const p = 'properties[spec]';
  it.each<[string, object, string, string]>([
    ['a missing type', { properties: {} }, 'FieldValueRequired', `${p}.type`],
    ['an unknown type', { type: 'text' }, 'FieldValueNotSupported', `${p}.type`],
    [
      'a type beside int-or-string',
      { type: 'string', 'x-kubernetes-int-or-string': true },
      'FieldValueForbidden',
      `${p}.type`,
    ],
    [
      'preserve-unknown-fields false',
      { type: 'object', 'x-kubernetes-preserve-unknown-fields': false },
      'FieldValueInvalid',
      `${p}.x-kubernetes-preserve-unknown-fields`,
    ],
    ['a default of the wrong type', { type: 'integer', default: 'x' }, 'FieldValueTypeInvalid', `${p}.default`],
    [
      'a default with unknown fields',
      { type: 'object', properties: {}, default: { a: 1 } },
      'FieldValueInvalid',
      `${p}.default`,
    ],
    [
      'properties beside additionalProperties',
      { type: 'object', properties: {}, additionalProperties: { type: 'string' } },
      'FieldValueForbidden',
      `${p}.additionalProperties`,
    ],
    [
      'uniqueItems',
      { type: 'array', items: { type: 'string' }, uniqueItems: true },
      'FieldValueForbidden',
      `${p}.uniqueItems`,
    ],
    ['an array without items', { type: 'array' }, 'FieldValueRequired', `${p}.items`],
    [
      'a type below anyOf',
      { type: 'object', anyOf: [{ type: 'object' }] },
      'FieldValueForbidden',
      `${p}.anyOf[0].type`,
    ],
    [
      'an unknown field below allOf',
      { type: 'object', allOf: [{ properties: { x: { minimum: 1 } } }] },
      'FieldValueRequired',
      `${p}.allOf[0].properties[x]`,
    ],
    [
      'a map list without keys',
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' },
      'FieldValueRequired',
      `${p}.x-kubernetes-list-map-keys`,
    ],
    [
      'an optional key without default',
      {
        type: 'array',
        items: { type: 'object', properties: { n: { type: 'string' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['n'],
      },
      'FieldValueRequired',
      `${p}.items.properties[n].default`,
    ],
    [
      'a set of granular objects',
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'set' },
      'FieldValueInvalid',
      `${p}.items`,
    ],
    ['a broken pattern', { type: 'string', pattern: '(' }, 'FieldValueInvalid', `${p}.pattern`],
    ['$ref', { type: 'object', $ref: '#/x' }, 'FieldValueForbidden', `${p}.$ref`],
  ])('refuses %s', (_name, schema, reason, field) => expect(problems(schema)).toContainEqual([reason, field]));

  it('wants an object at the root and leaves metadata to the server', () => {
    expect(checkStructural({ type: 'array', items: { type: 'string' } })).toContainEqual(
      expect.objectContaining({ field: 'type' }),
    );
    const metadata: JsonSchema = { type: 'object', properties: { labels: { type: 'object' } } };
    expect(checkStructural({ type: 'object', properties: { metadata } })).toContainEqual(
      expect.objectContaining({ reason: 'FieldValueForbidden', field: 'properties[metadata].properties' }),
    );
  });
});
