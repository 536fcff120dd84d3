import { GodwitError } from '@godwit/core/errors';

/*
 * proto3 package kubevirt.synchronization. Every field is length-delimited, so three small functions replace a protobuf
 * library: VMIStatusRequest {1 migrationID, 2 VMIStatus {1 vmiStatusJson}}, VMIStatusResponse {1 message},
 * MigrationCancelRequest {1 migrationUID}, MigrationCancelResponse {1 message}.
 */

export interface StatusRequest {
  readonly migrationId: string;
  /** JSON text of the sender's VMI status; undefined when the sender left it out. */
  readonly statusJson: string | undefined;
}

const LENGTH_DELIMITED = 2;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? byte + 128 : byte);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function field(number: number, content: Buffer): Buffer {
  return content.length === 0
    ? Buffer.alloc(0)
    : Buffer.concat([varint(number * 8 + LENGTH_DELIMITED), varint(content.length), content]);
}

function malformed(what: string): GodwitError {
  return new GodwitError('SYNC_MALFORMED', `The message is not protobuf: ${what}`);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw malformed('it ends inside a number');
      this.#at += 1;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
    throw malformed('a number has too many bytes');
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('it ends inside a field');
    const content = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return content;
  }
}

/** Length-delimited fields by number, the last one of a number wins; other wire types are skipped. */
function fields(bytes: Buffer): Map<number, Buffer> {
  const reader = new Reader(bytes);
  const found = new Map<number, Buffer>();
  while (!reader.done) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        reader.varint();
        break;
      case 1:
        reader.take(8);
        break;
      case LENGTH_DELIMITED:
        found.set(number, reader.take(reader.varint()));
        break;
      case 5:
        reader.take(4);
        break;
      default:
        throw malformed(`field ${number} has an unknown type`);
    }
  }
  return found;
}

export function encodeStatusRequest(request: StatusRequest): Buffer {
  const status = request.statusJson === undefined ? undefined : field(1, Buffer.from(request.statusJson));
  return Buffer.concat([field(1, Buffer.from(request.migrationId)), status ? field(2, status) : Buffer.alloc(0)]);
}

export function decodeStatusRequest(bytes: Buffer): StatusRequest {
  const outer = fields(bytes);
  const status = outer.get(2);
  const json = status && fields(status).get(1);
  return { migrationId: outer.get(1)?.toString('utf8') ?? '', statusJson: json?.toString('utf8') };
}

/** Responses and the cancel request hold one string each, in field 1. */
export function encodeText(text: string): Buffer {
  return field(1, Buffer.from(text));
}

export function decodeText(bytes: Buffer): string {
  return fields(bytes).get(1)?.toString('utf8') ?? '';
}

const SERVICE = '/kubevirt.synchronization.Synchronize';

export const methods = {
  syncSource: `${SERVICE}/SyncSourceMigrationStatus`,
  syncTarget: `${SERVICE}/SyncTargetMigrationStatus`,
  cancel: `${SERVICE}/CancelMigration`,
} as const;
