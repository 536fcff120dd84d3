import { GodwitError } from '@godwit/core/errors';

/** Bytes that are no Kubernetes protobuf message, or hold a kind this server has no description of. */
export class ProtobufError extends GodwitError<'PROTOBUF_INVALID' | 'PROTOBUF_KIND_UNKNOWN'> {
  constructor(code: 'PROTOBUF_INVALID' | 'PROTOBUF_KIND_UNKNOWN', message: string) {
    super(code, message);
    this.name = 'ProtobufError';
  }
}
