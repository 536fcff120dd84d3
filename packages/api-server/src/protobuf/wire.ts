import { ProtobufError } from './errors.ts';

/** One field as it lies on the wire: a number for varint and fixed fields, bytes for length-delimited ones. */
export type WireValue = bigint | Uint8Array;

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The fields of a message in wire order. Throws `ProtobufError` when the bytes end early or use groups. */
export function* wireFields(bytes: Uint8Array): Generator<[number: number, value: WireValue]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const need = (length: number): number => {
    const start = at;
    if (length > bytes.length - at) throw truncated();
    at += length;
    return start;
  };
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[need(1)] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError('PROTOBUF_INVALID', 'A protobuf integer is longer than 64 bits');
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        yield [number, varint()];
        break;
      case 1:
        yield [number, view.getBigUint64(need(8), true)];
        break;
      case 2: {
        const length = varint();
        if (length > BigInt(bytes.length)) throw truncated();
        const start = need(Number(length));
        yield [number, bytes.subarray(start, at)];
        break;
      }
      case 5:
        yield [number, BigInt(view.getUint32(need(4), true))];
        break;
      default:
        throw new ProtobufError('PROTOBUF_INVALID', `Protobuf field ${number} has an unknown wire type`);
    }
  }
}

export function asBytes(value: WireValue): Uint8Array {
  if (typeof value !== 'bigint') return value;
  throw new ProtobufError('PROTOBUF_INVALID', 'A protobuf field holds a number where bytes belong');
}

export function asText(value: WireValue): string {
  try {
    return text.decode(asBytes(value));
  } catch {
    throw new ProtobufError('PROTOBUF_INVALID', 'A protobuf string is not UTF-8');
  }
}

/** Signed 64-bit value; beyond 2^53 it is rounded, as in JSON. */
export function asInteger(value: WireValue): number {
  if (typeof value === 'bigint') return Number(BigInt.asIntN(64, value));
  throw new ProtobufError('PROTOBUF_INVALID', 'A protobuf field holds bytes where a number belongs');
}

export function asDouble(value: WireValue): number {
  if (typeof value !== 'bigint')
    throw new ProtobufError('PROTOBUF_INVALID', 'A protobuf field holds bytes where a number belongs');
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value);
  return view.getFloat64(0);
}

/** Integers of a repeated field, which may arrive one by one or packed. */
export function integers(value: WireValue): number[] {
  if (typeof value === 'bigint') return [asInteger(value)];
  const packed: number[] = [];
  let current = 0n;
  let shift = 0n;
  for (const byte of value) {
    current |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    packed.push(asInteger(BigInt.asUintN(64, current)));
    current = 0n;
    shift = 0n;
  }
  if (shift !== 0n) throw truncated();
  return packed;
}

/** The last value of each field number, which is the one that counts; for small messages that are read by hand. */
export function lastFields(value: WireValue): Map<number, WireValue> {
  return new Map(wireFields(asBytes(value)));
}

function truncated(): ProtobufError {
  return new ProtobufError('PROTOBUF_INVALID', 'The protobuf message ends early');
}
