import { parseJson as parseLossless } from '@godwit/store';
import { ApiError, badRequest } from '../api-error.ts';
import { decodeKubeProtobuf } from '../protobuf/decode.ts';
import type { AnyRequest } from './exchange.ts';

const MAX_BODY_BYTES = 3 * 1024 * 1024;

export interface RawBody {
  readonly bytes: Buffer;
  /** Media type without parameters; empty when the client sent none. */
  readonly contentType: string;
}

/** Reads a request body to its end; 413 beyond 3 MiB. */
export async function readBody(request: AnyRequest): Promise<RawBody> {
  const contentType = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    // The cast is safe: no encoding was set, so chunks are buffers.
    const bytes = chunk as Buffer;
    size += bytes.length;
    // The rest is read and dropped, so that the client gets to see the answer.
    if (size <= MAX_BODY_BYTES) chunks.push(bytes);
  }
  if (size > MAX_BODY_BYTES) {
    const message = `the request body is larger than ${MAX_BODY_BYTES} bytes`;
    throw new ApiError({ code: 413, reason: 'RequestEntityTooLarge', message, details: {} });
  }
  return { bytes: Buffer.concat(chunks), contentType };
}

export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return new ApiError({ code: 415, reason: 'UnsupportedMediaType', message, details: {} });
}

export function parseJson(text: string): unknown {
  try {
    return parseLossless(text);
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type JSON): ${String(error)}`);
  }
}

export async function parseYaml(text: string): Promise<unknown> {
  // Loaded when first needed: most servers never see YAML.
  const { parse } = await import('yaml');
  try {
    return parse(text, { schema: 'core', maxAliasCount: 100 });
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type YAML): ${String(error)}`);
  }
}

/** The body as a value; `undefined` when it is empty. `protobuf` says whether that encoding may hold such an object. */
export async function decodeBody(raw: RawBody, protobuf: boolean): Promise<unknown> {
  const accepted = [
    'application/json',
    'application/yaml',
    ...(protobuf ? ['application/vnd.kubernetes.protobuf'] : []),
  ];
  if (raw.contentType !== '' && !accepted.includes(raw.contentType)) throw unsupportedMediaType(accepted);
  if (raw.bytes.length === 0) return undefined;
  if (raw.contentType === 'application/yaml') return await parseYaml(raw.bytes.toString());
  if (raw.contentType !== 'application/vnd.kubernetes.protobuf') return parseJson(raw.bytes.toString());
  try {
    return decodeKubeProtobuf(raw.bytes).object;
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error));
  }
}
