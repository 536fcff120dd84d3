import { ProtobufError } from './errors.ts';
import { decodeJsonSchema } from './json-schema-props.ts';
import { asBytes, asDouble, asInteger, asText, lastFields, wireFields } from './wire.ts';
import type { WireValue } from './wire.ts';

type Decode = (value: WireValue) => unknown;

/** How each scalar of the message tables (see `schema/builtin/messages.ts`) becomes JSON; undefined where JSON has nothing. */
export const scalarDecoders: Readonly<Record<string, Decode>> = {
  s: asText,
  b: (value) => asInteger(value) !== 0,
  i32: asInteger,
  i64: asInteger,
  f64: asDouble,
  bytes: (value) => Buffer.from(asBytes(value)).toString('base64'),
  time: (value) => timestamp(value, ''),
  micro: (value) => timestamp(value, 'micro'),
  qty: (value) => textField(value, 1) || '0',
  ios: intOrString,
  raw: embeddedJson,
  fields: embeddedJson,
  strs: (value) => [...wireFields(asBytes(value))].filter(([number]) => number === 1).map(([, item]) => asText(item)),
  jsonschema: (value) => decodeJsonSchema(asBytes(value)),
};

/** `{seconds, nanos}`; all zero is Go's zero time, which JSON leaves out. */
function timestamp(value: WireValue, precision: '' | 'micro'): string | undefined {
  const fields = lastFields(value);
  const seconds = asInteger(fields.get(1) ?? 0n);
  const nanos = asInteger(fields.get(2) ?? 0n);
  if (seconds === 0 && nanos === 0) return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new ProtobufError('PROTOBUF_INVALID', 'A protobuf timestamp is out of range');
  const whole = date.toISOString().slice(0, -5);
  return precision === '' ? `${whole}Z` : `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

/** `{type, intVal, strVal}` where type 1 means the string. */
function intOrString(value: WireValue): number | string {
  const fields = lastFields(value);
  return asInteger(fields.get(1) ?? 0n) === 1
    ? asText(fields.get(3) ?? new Uint8Array())
    : asInteger(fields.get(2) ?? 0n);
}

function embeddedJson(value: WireValue): unknown {
  const raw = textField(value, 1);
  if (raw === '') return undefined;
  try {
    return JSON.parse(raw);
  } catch {
    throw new ProtobufError('PROTOBUF_INVALID', 'JSON embedded in a protobuf message cannot be read');
  }
}

function textField(value: WireValue, number: number): string {
  return asText(lastFields(value).get(number) ?? new Uint8Array());
}
