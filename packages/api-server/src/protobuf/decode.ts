import { builtInMessage } from '../schema/builtin/kinds.ts';
import { ProtobufError } from './errors.ts';
import { decodeMessage } from './message.ts';
import { asText, lastFields } from './wire.ts';

const MAGIC = [0x6b, 0x38, 0x73, 0x00];
const NOTHING = new Uint8Array();

/**
 * Decodes a body of type `application/vnd.kubernetes.protobuf`: the prefix `k8s\0` and an `Unknown` message around the
 * object. The object is what its JSON form would have been, `apiVersion` and `kind` included (when the client sent them).
 * Throws `ProtobufError`: `PROTOBUF_INVALID` for broken bytes, `PROTOBUF_KIND_UNKNOWN` for kinds without description.
 */
export function decodeKubeProtobuf(bytes: Uint8Array): { apiVersion: string; kind: string; object: unknown } {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw new ProtobufError('PROTOBUF_INVALID', 'The body does not begin with the Kubernetes protobuf prefix');
  }
  const unknown = lastFields(bytes.subarray(MAGIC.length));
  const typeMeta = lastFields(unknown.get(1) ?? NOTHING);
  const apiVersion = asText(typeMeta.get(1) ?? NOTHING);
  const kind = asText(typeMeta.get(2) ?? NOTHING);
  const raw = unknown.get(2) ?? NOTHING;
  if (typeof raw === 'bigint' || asText(unknown.get(3) ?? NOTHING) !== '') {
    throw new ProtobufError('PROTOBUF_INVALID', 'The protobuf envelope holds an encoding this server does not know');
  }
  const fields = decodeMessage(messageName(apiVersion, kind), raw);
  return { apiVersion, kind, object: { apiVersion, kind, ...fields } };
}

function messageName(apiVersion: string, kind: string): string {
  // Delete options are part of every group.
  if (kind === 'DeleteOptions') return 'meta.DeleteOptions';
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const name = builtInMessage(group, apiVersion.slice(slash + 1), kind);
  if (name === undefined) {
    throw new ProtobufError('PROTOBUF_KIND_UNKNOWN', `Kind ${kind} of ${apiVersion} cannot be sent as protobuf`);
  }
  return name;
}
