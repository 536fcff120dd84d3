import { messageOf } from '../schema/builtin/messages.ts';
import type { Message, MessageField } from '../schema/builtin/messages.ts';
import { ProtobufError } from './errors.ts';
import { scalarDecoders } from './scalars.ts';
import { asBytes, asText, integers, lastFields, wireFields } from './wire.ts';
import type { WireValue } from './wire.ts';

const fieldsByNumber = new WeakMap<Message, ReadonlyMap<number, MessageField>>();

/**
 * Decodes the message called `package.Message` to what its JSON form would have been: Go writes zero values to the wire
 * that `omitempty` leaves out of JSON, so they are dropped here. Unknown field numbers are ignored.
 */
export function decodeMessage(name: string, bytes: Uint8Array): Record<string, unknown> {
  const message = messageOf(name);
  if (!message) throw new ProtobufError('PROTOBUF_KIND_UNKNOWN', `There is no protobuf description of ${name}`);
  const byNumber = numbered(message);
  const result: Record<string, unknown> = {};
  for (const [number, value] of wireFields(bytes)) {
    const field = byNumber.get(number);
    if (field) addField(result, field, value);
  }
  return result;
}

function addField(result: Record<string, unknown>, field: MessageField, value: WireValue): void {
  if (field.name === '~') {
    Object.assign(result, decodeMessage(field.type, asBytes(value)));
    return;
  }
  if (field.shape === 'list') {
    const list = (result[field.name] ??= []);
    if (Array.isArray(list)) list.push(...elements(field.type, value));
    return;
  }
  if (field.shape === 'map') {
    const entry = lastFields(value);
    const key = asText(entry.get(1) ?? new Uint8Array());
    const item = decodeOne(field.type, entry.get(2) ?? new Uint8Array());
    // The cast is safe: only this branch writes the field.
    const map = (result[field.name] ??= {}) as Record<string, unknown>;
    Object.defineProperty(map, key, { value: item ?? null, enumerable: true, configurable: true, writable: true });
    return;
  }
  const decoded = decodeOne(field.type, value);
  if (decoded === undefined) return;
  const isZero = decoded === '' || decoded === 0 || decoded === false;
  const isOmitted = isZero && field.type !== 'ios' && !field.pointer && !field.always;
  if (!isOmitted) result[field.name] = decoded;
}

function elements(type: string, value: WireValue): unknown[] {
  return type === 'i32' || type === 'i64' ? integers(value) : [decodeOne(type, value)];
}

function decodeOne(type: string, value: WireValue): unknown {
  const scalar = scalarDecoders[type];
  return scalar ? scalar(value) : decodeMessage(type, asBytes(value));
}

function numbered(message: Message): ReadonlyMap<number, MessageField> {
  const known = fieldsByNumber.get(message);
  if (known) return known;
  const byNumber = new Map(message.fields.map((field) => [field.number, field]));
  fieldsByNumber.set(message, byNumber);
  return byNumber;
}
