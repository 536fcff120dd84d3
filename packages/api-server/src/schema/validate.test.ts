import { describe, expect, it } from 'vitest';
import type { Cause, JsonSchema } from './types.ts';
import { validateSchema } from './validate.ts';

const reasons = (schema: JsonSchema, value: unknown): [string, string][] =>
  validateSchema(schema, value).map((cause: Cause) => [cause.reason, cause.field]);
const object = (properties: Record<string, JsonSchema>, rest: JsonSchema = {}): JsonSchema => ({
  type: 'object',
  properties,
  ...rest,
});

describe('validateSchema', () => {
  const color: JsonSchema = { type: 'string', enum: ['red', 'blue'] };
  const widget = object({
    spec: object({ color, replicas: { type: 'integer', minimum: 0 } }, { required: ['color'] }),
  });

  it('reports several causes with their fields', () => {
    expect(reasons(widget, { spec: { color: 'green', replicas: -1 } })).toEqual([
      ['FieldValueNotSupported', 'spec.color'],
      ['FieldValueInvalid', 'spec.replicas'],
    ]);
    expect(reasons(widget, { spec: {} })).toEqual([['FieldValueRequired', 'spec.color']]);
    expect(reasons(widget, { spec: { color: 1 } })).toEqual([['FieldValueTypeInvalid', 'spec.color']]);
    expect(reasons(widget, { spec: [] })).toEqual([['FieldValueTypeInvalid', 'spec']]);
    expect(reasons(widget, { spec: { color: 'red', replicas: 0 } })).toEqual([]);
  });

  it.each<[string, JsonSchema, unknown[], unknown[]]>([
    ['integer', { type: 'integer' }, [1, -1, 0], [1.5, '1', true, null]],
    ['number', { type: 'number' }, [1, 1.5], ['1']],
    ['nullable', { type: 'string', nullable: true }, [null, ''], [1]],
    ['int-or-string', { 'x-kubernetes-int-or-string': true }, [1, '50%'], [1.5, true, {}]],
    ['bounds', { type: 'number', minimum: 0, maximum: 2 }, [0, 2], [-1, 3]],
    [
      'exclusive bounds',
      { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 2, exclusiveMaximum: true },
      [1],
      [0, 2],
    ],
    ['multipleOf', { type: 'number', multipleOf: 0.1 }, [0.3, 1], [0.25]],
    ['lengths in code points', { type: 'string', minLength: 1, maxLength: 2 }, ['a', '😀😀'], ['', 'abc']],
    ['pattern', { type: 'string', pattern: '^[a-z]+$' }, ['abc'], ['aBc', '']],
    ['Go pattern', { type: 'string', pattern: '(?i)^[[:alpha:]]+$' }, ['aBc'], ['a1']],
    ['anyOf', { anyOf: [{ type: 'string' }, { type: 'integer' }] }, ['a', 1], [true]],
    [
      'oneOf',
      { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      [{ a: 1 }, { b: 1 }],
      [{}, { a: 1, b: 1 }],
    ],
    ['allOf', { type: 'integer', allOf: [{ minimum: 1 }, { maximum: 3 }] }, [1, 3], [0, 4]],
    ['not', { type: 'string', not: { enum: ['x'] } }, ['y'], ['x']],
    ['minItems', { type: 'array', minItems: 1 }, [[1]], [[]]],
    ['minProperties', { type: 'object', minProperties: 1 }, [{ a: 1 }], [{}]],
    ['additionalProperties', { type: 'object', additionalProperties: { type: 'integer' } }, [{ a: 1 }], [{ a: 'x' }]],
    ['closed object', { type: 'object', additionalProperties: false }, [{}], [{ a: 1 }]],
    [
      'date-time',
      { type: 'string', format: 'date-time' },
      ['2024-02-29T00:00:00Z', '2024-01-01T00:00:00.5+02:00'],
      ['2024-01-01', '2023-02-29T00:00:00Z'],
    ],
    ['date', { type: 'string', format: 'date' }, ['2024-02-29'], ['2024-02-30', 'x']],
    ['duration', { type: 'string', format: 'duration' }, ['1h30m', '0', '-1.5s'], ['1', '1x']],
    ['byte', { type: 'string', format: 'byte' }, ['', 'YQ=='], ['a', 'YQ']],
    ['int32', { type: 'integer', format: 'int32' }, [2 ** 31 - 1, -(2 ** 31)], [2 ** 31]],
    ['ipv4', { type: 'string', format: 'ipv4' }, ['10.0.0.1'], ['::1', '10.0.0']],
    ['cidr', { type: 'string', format: 'cidr' }, ['10.0.0.0/8', 'fd00::/64'], ['10.0.0.0/33', 'x/1']],
    ['quantity', { format: 'quantity', anyOf: [{ type: 'string' }, { type: 'number' }] }, ['1Gi', 0.5], ['1Gib', true]],
    ['unknown format', { type: 'string', format: 'made-up' }, ['x'], []],
    [
      'embedded resource',
      { type: 'object', 'x-kubernetes-embedded-resource': true },
      [{ apiVersion: 'v1', kind: 'X' }],
      [{}],
    ],
  ])('%s', (_name, schema, good, bad) => {
    for (const value of good) expect([value, reasons(schema, value)]).toEqual([value, []]);
    for (const value of bad) expect([value, reasons(schema, value).length > 0]).toEqual([value, true]);
  });

  it('uses the reasons of lengths and counts', () => {
    expect(reasons({ type: 'string', maxLength: 1 }, 'ab')).toEqual([['FieldValueTooLong', '']]);
    expect(reasons({ type: 'array', maxItems: 1 }, [1, 2])).toEqual([['FieldValueTooMany', '']]);
    expect(reasons({ type: 'object', maxProperties: 0 }, { a: 1 })).toEqual([['FieldValueTooMany', '']]);
  });

  it('finds repeated items of sets and maps', () => {
    expect(reasons({ type: 'array', 'x-kubernetes-list-type': 'set' }, ['a', 'b', 'a'])).toEqual([
      ['FieldValueDuplicate', '[2]'],
    ]);
    expect(
      reasons({ type: 'array', 'x-kubernetes-list-type': 'set' }, [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ]),
    ).toEqual([['FieldValueDuplicate', '[1]']]);
    const keyed: JsonSchema = {
      type: 'array',
      items: object({ port: { type: 'integer' }, protocol: { type: 'string', default: 'TCP' } }),
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['port', 'protocol'],
    };
    expect(reasons(keyed, [{ port: 1 }, { port: 1, protocol: 'UDP' }, { protocol: 'TCP', port: 1 }])).toEqual([
      ['FieldValueDuplicate', '[2]'],
    ]);
  });
});
